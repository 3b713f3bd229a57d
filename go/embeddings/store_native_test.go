//go:build rustembeddings && cgo

package embeddings_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // damages files that the store does not have open

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func numbered(from, to int) (records []embeddings.Record) {
	for i := from; i < to; i++ {
		records = append(records, embeddings.Record{
			SourceType: "note", SourceID: fmt.Sprint(i), Text: fmt.Sprint("text number ", i), Model: "m", Fingerprint: "f",
			Metadata: embeddings.Metadata{"n": i}, Vector: []float32{1, float32(i), 3},
		})
	}
	return records
}

func TestStatsSayWhatThereIs(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "test.db"))
	empty, err := store.Stats(t.Context())
	if err != nil || empty.Rows != 0 || len(empty.Models) != 0 || empty.Bytes <= 0 {
		t.Fatalf("%+v, error %v", empty, err)
	}
	other := embeddings.Record{SourceType: "a", SourceID: "b", Text: "c", Model: "n", Fingerprint: "g", Vector: []float32{1, 2}}
	if _, err := store.Put(t.Context(), append(numbered(0, 3), other)); err != nil {
		t.Fatal(err)
	}
	stats, err := store.Stats(t.Context())
	want := []embeddings.ModelStats{
		{Model: "m", Fingerprint: "f", Dimensions: 3, Rows: 3, Indexed: true},
		{Model: "n", Fingerprint: "g", Dimensions: 2, Rows: 1, Indexed: true},
	}
	if err != nil || stats.Rows != 4 || !slices.Equal(stats.Models, want) || stats.LogBytes <= 0 {
		t.Errorf("%+v, error %v", stats, err)
	}
}

func TestASearchIsExplained(t *testing.T) {
	store := openStore(t, ":memory:")
	if _, err := store.Put(t.Context(), numbered(0, 50)); err != nil {
		t.Fatal(err)
	}
	options := embeddings.SearchOptions{Fingerprint: "f", Filter: embeddings.Lt(embeddings.Meta("n"), 20), Words: "number 7"}
	matches, explanation, err := store.Explain(t.Context(), []float32{1, 0, 3}, options)
	if err != nil || len(matches) != 10 || explanation.Index == "" || explanation.Index == "none" || explanation.Compared < 20 ||
		explanation.Rounds < 1 || explanation.Matched != 20 || explanation.TotalMicros < explanation.VectorMicros+explanation.WordsMicros {
		t.Errorf("%d matches, %+v, error %v", len(matches), explanation, err)
	}
	same, err := store.Search(t.Context(), []float32{1, 0, 3}, options)
	if err != nil || !slices.EqualFunc(same, matches, func(a, b embeddings.Match) bool { return a.ID == b.ID && a.Score == b.Score }) {
		t.Errorf("Search finds others: %+v, error %v", same, err)
	}
	options = embeddings.SearchOptions{Fingerprint: "f", Words: "number"}
	if _, explanation, err := store.Explain(t.Context(), nil, options); err != nil || explanation.Index != "none" || explanation.Matched != 50 {
		t.Errorf("%+v, error %v", explanation, err)
	}
}

func TestABackupIsWholeAndLeavesWhatIsThere(t *testing.T) {
	directory := t.TempDir()
	store := openStore(t, filepath.Join(directory, "test.db"))
	if _, err := store.Put(t.Context(), numbered(0, 2000)); err != nil {
		t.Fatal(err)
	}
	// Writes go on meanwhile.
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan int)
	go func() {
		n := 2000
		for ; ctx.Err() == nil; n += 10 {
			if _, err := store.Put(context.Background(), numbered(n, n+10)); err != nil {
				t.Error(err)
				break
			}
		}
		written <- n
	}()
	path := filepath.Join(directory, "copy.db")
	err := store.Backup(t.Context(), path)
	cancel()
	most := <-written
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Backup(t.Context(), path); !errors.Is(err, embeddings.ErrInvalidArgument) || !strings.Contains(err.Error(), path) {
		t.Errorf("over a file that is there: %v", err)
	}
	if err := store.Backup(t.Context(), ""); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Errorf("to nowhere: %v", err)
	}
	backup := openStore(t, path)
	report, err := backup.Verify(t.Context())
	if err != nil || len(report.Problems) != 0 || report.Rows < 2000 || report.Rows > most || report.Rows%10 != 0 {
		t.Errorf("%+v, error %v; written were up to %d", report, err, most)
	}
}

func TestOptimizeGivesSpaceBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	store := openStore(t, path)
	if _, err := store.Put(t.Context(), numbered(0, 20_000)); err != nil {
		t.Fatal(err)
	}
	if err := store.Optimize(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := store.DeleteWhere(t.Context(), embeddings.Ge(embeddings.Meta("n"), 1000)); n != 19_000 || err != nil {
		t.Fatal(n, err)
	}
	if stats, err := store.Stats(t.Context()); err != nil || stats.FreeBytes == 0 {
		t.Errorf("%+v, error %v", stats, err)
	}
	if err := store.Optimize(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || after.Size() > before.Size()/2 {
		t.Errorf("%d bytes before, %d after, error %v", before.Size(), after.Size(), err)
	}
	if report, err := store.Verify(t.Context()); err != nil || len(report.Problems) != 0 || report.Rows != 1000 {
		t.Errorf("%+v, error %v", report, err)
	}
}

func TestRepairBuildsAnewWhatFollowsFromTheRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	store := openStore(t, path)
	if _, err := store.Put(t.Context(), numbered(0, 100)); err != nil {
		t.Fatal(err)
	}
	store.Close()
	damage(t, path, "DELETE FROM vec_embeddings_rowids WHERE rowid % 2 = 0")

	store = openStore(t, path)
	for range 2 {
		report, err := store.Verify(t.Context())
		if err != nil || report.Rows != 100 || len(report.Problems) == 0 || !strings.Contains(report.Problems[0], "vec_embeddings") || len(report.Repaired) != 0 {
			t.Fatalf("%+v, error %v", report, err)
		}
	}
	if report, err := store.Repair(t.Context()); err != nil || len(report.Problems) == 0 || len(report.Repaired) == 0 {
		t.Errorf("%+v, error %v", report, err)
	}
	if report, err := store.Verify(t.Context()); err != nil || len(report.Problems) != 0 {
		t.Errorf("after the repair: %+v, error %v", report, err)
	}
}

// damage changes a file that the store does not have open.
func damage(t *testing.T, path, statement string) {
	t.Helper()
	database, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	if _, err := database.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestAClosedStoreGivesErrClosedAndADoneContextErrCancelled(t *testing.T) {
	store := openStore(t, ":memory:")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range everyCall(done, store) {
		if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; expected %v", name, err, embeddings.ErrCancelled)
		}
	}
	store.Close()
	for name, err := range everyCall(t.Context(), store) {
		if !errors.Is(err, embeddings.ErrClosed) {
			t.Errorf("%s: %v; expected %v", name, err, embeddings.ErrClosed)
		}
	}
}

func everyCall(ctx context.Context, store *embeddings.EmbeddingStore) map[string]error {
	calls := map[string]error{}
	_, calls["Put"] = store.Put(ctx, nil)
	_, calls["Has"] = store.Has(ctx, nil)
	_, calls["Get"] = store.Get(ctx, "a")
	_, calls["GetBySource"] = store.GetBySource(ctx, "a", "b", "")
	for _, err := range store.List(ctx, embeddings.ListOptions{}) {
		calls["List"] = err
	}
	_, calls["Count"] = store.Count(ctx, embeddings.Selection{})
	_, calls["Search"] = store.Search(ctx, []float32{1}, embeddings.SearchOptions{Fingerprint: "f"})
	_, _, calls["Explain"] = store.Explain(ctx, []float32{1}, embeddings.SearchOptions{Fingerprint: "f"})
	_, calls["Delete"] = store.Delete(ctx, "a")
	_, calls["DeleteBySource"] = store.DeleteBySource(ctx, "a", "b")
	_, calls["DeleteWhere"] = store.DeleteWhere(ctx, embeddings.And())
	_, calls["Stats"] = store.Stats(ctx)
	_, calls["Verify"] = store.Verify(ctx)
	_, calls["Repair"] = store.Repair(ctx)
	calls["Backup"] = store.Backup(ctx, "never.db")
	calls["Optimize"] = store.Optimize(ctx)
	return calls
}

// A store needs no model: whatever made the vectors.
func ExampleEmbeddingStore() {
	ctx := context.Background()
	store, err := embeddings.OpenEmbeddingStore(":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	record := func(id, text, lang string, vector ...float32) embeddings.Record {
		return embeddings.Record{SourceType: "manual", SourceID: id, Text: text, Fingerprint: "by hand",
			Metadata: embeddings.Metadata{"lang": lang}, Vector: vector}
	}
	outcomes, err := store.Put(ctx, []embeddings.Record{
		record("pump-1", "Press the red button to halt the pump.", "en", 1, 0),
		record("pump-2", "Den roten Knopf drücken, um die Pumpe anzuhalten.", "de", 0.9, 0.1),
		record("lunch", "Lunch is at noon.", "en", 0, 1),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outcomes)

	english := embeddings.Eq(embeddings.Meta("lang"), "en")
	matches, err := store.Search(ctx, []float32{1, 0.2}, embeddings.SearchOptions{Fingerprint: "by hand", Filter: english})
	if err != nil {
		log.Fatal(err)
	}
	for _, match := range matches {
		fmt.Printf("%.2f %s\n", match.Similarity, match.Text)
	}

	for row, err := range store.List(ctx, embeddings.ListOptions{Selection: embeddings.Selection{Filter: english}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.SourceID, row.Metadata["lang"])
	}
	// Output:
	// [inserted inserted inserted]
	// 0.98 Press the red button to halt the pump.
	// 0.20 Lunch is at noon.
	// pump-1 en
	// lunch en
}

// A search by words and by vector at once, of which a caller may see only a part, in pages.
func ExampleEmbeddingStore_Search() {
	ctx := context.Background()
	store, err := embeddings.OpenEmbeddingStore("notes.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	model, err := service.ModelInfo(ctx)
	if err != nil {
		log.Fatal(err)
	}
	query, err := service.Embed(ctx, "panel A", embeddings.WithPromptName(embeddings.PromptQuery))
	if err != nil {
		log.Fatal(err)
	}
	visible := embeddings.In(embeddings.Meta("team"), "night shift", "everybody")
	hybrid, err := store.Search(ctx, query.Vector, embeddings.SearchOptions{
		Fingerprint: model.Fingerprint,
		Filter:      visible,
		Words:       "panel A",
		Fusion:      &embeddings.Fusion{VectorWeight: 1, WordsWeight: 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, match := range hybrid {
		fmt.Printf("%d. by vector, %d. by words: %s\n", match.VectorRank, match.WordsRank, match.Text)
	}

	options := embeddings.SearchOptions{Fingerprint: model.Fingerprint, Filter: visible, Limit: 20, WithoutVectors: true}
	for {
		page, err := store.Search(ctx, query.Vector, options)
		if err != nil {
			log.Fatal(err)
		}
		for _, match := range page {
			fmt.Println(match.Text)
		}
		if len(page) < options.Limit {
			break
		}
		options.After = page[len(page)-1].Cursor()
	}
}
