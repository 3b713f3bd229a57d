//go:build rustembeddings && cgo

package embeddings_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// counted is a service that says how many texts it has embedded.
type counted struct {
	*embeddings.ManagedEmbeddingService
	texts int
}

func (s *counted) EmbedBatch(ctx context.Context, texts []string, opts ...embeddings.EmbedOption) (*embeddings.BatchEmbeddingResult, error) {
	s.texts += len(texts)
	return s.ManagedEmbeddingService.EmbedBatch(ctx, texts, opts...)
}

func sentences(from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, "Für Nr. %d 🙂 there is a sentence of its own. ", i)
	}
	return text.String()
}

func TestChunksCoverATextAndAreEmbeddedWhole(t *testing.T) {
	service := open(t, testenv.Model(t))
	text := sentences(0, 100)
	for _, chunking := range []embeddings.Chunking{{}, {MaxTokens: 64}, {MaxTokens: 64, Overlap: 20}} {
		chunks, err := service.Split(t.Context(), text, chunking, embeddings.WithPrompt("as it is: "))
		if err != nil || len(chunks) < 5 {
			t.Fatal(len(chunks), err)
		}
		runes, end := []rune(text), 0
		for i, chunk := range chunks {
			if chunk.Offset > end || chunk.Offset < end && chunking.Overlap == 0 {
				t.Errorf("chunk %d begins at %d, the one before ends at %d", i, chunk.Offset, end)
			}
			end = chunk.Offset + len(chunk.Text)
			if chunk.Text != text[chunk.Offset:end] || chunk.Text != string(runes[chunk.Start:chunk.End]) {
				t.Errorf("chunk %d is not where it says it is: %+v", i, chunk)
			}
			result, err := service.Embed(t.Context(), chunk.Text, embeddings.WithPrompt("as it is: "), embeddings.WithTruncate(embeddings.TruncateError))
			if err != nil || result.Tokens != chunk.Tokens {
				t.Errorf("chunk %d: %+v, error %v; expected %d tokens", i, result, err, chunk.Tokens)
			}
		}
		if end != len(text) {
			t.Errorf("%+v: the chunks end at %d of %d", chunking, end, len(text))
		}
	}
	for _, wrong := range []embeddings.Chunking{{MaxTokens: -1}, {Overlap: -1}, {MaxTokens: 100_000}, {MaxTokens: 20, Overlap: 20}, {MaxTokens: 2}} {
		if _, err := service.Split(t.Context(), text, wrong); !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if chunks, err := service.Split(t.Context(), "", embeddings.Chunking{}); err != nil || len(chunks) != 0 {
		t.Error(chunks, err)
	}
}

func TestIngestChunksEmbedsOnlyWhatIsNewAndReplacesTheRest(t *testing.T) {
	ctx := t.Context()
	service := &counted{ManagedEmbeddingService: open(t, testenv.Model(t))}
	store := openStore(t, ":memory:")
	info, err := service.ModelInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const inserted, replaced, unchanged = embeddings.Inserted, embeddings.Replaced, embeddings.Unchanged
	long := sentences(0, 60)
	chunking := embeddings.Chunking{MaxTokens: 64}
	split, err := service.Split(ctx, long, chunking)
	if err != nil || len(split) < 6 {
		t.Fatal(len(split), err)
	}
	// What changes is a chunk in the middle, whose end stays where it was.
	changed := long[:split[3].Offset] + strings.Replace(long[split[3].Offset:], "sentence", "section", 1)
	for _, step := range []struct {
		name     string
		text     string
		outcome  embeddings.Outcome
		embedded int
		rows     int
	}{
		{"a new one", long, inserted, len(split), len(split)},
		{"again", long, unchanged, 0, len(split)},
		{"one chunk changed", changed, replaced, 1, len(split)},
		{"fewer chunks", split[0].Text + split[1].Text, replaced, 0, 2},
		{"a short one", "A short one.", replaced, 1, 1},
		{"the short one again", "A short one.", unchanged, 0, 1},
	} {
		service.texts = 0
		outcomes, err := embeddings.IngestChunks(ctx, service, store, []embeddings.Item{
			{SourceType: "note", SourceID: "x", Text: "overruled by the next"},
			{SourceType: "note", SourceID: "x", Text: step.text},
		}, chunking)
		if err != nil || !slices.Equal(outcomes, []embeddings.Outcome{unchanged, step.outcome}) {
			t.Fatalf("%s: %v, error %v; expected %v", step.name, outcomes, err, step.outcome)
		}
		rows, err := store.GetBySource(ctx, "note", "x", info.Fingerprint)
		if err != nil || len(rows) != step.rows || service.texts != step.embedded {
			t.Errorf("%s: %d rows, %d texts were embedded, error %v; expected %d, %d", step.name, len(rows), service.texts, err, step.rows, step.embedded)
		}
		runes := []rune(step.text)
		for i, row := range rows {
			if len(rows) == 1 && (row.Chunk != 0 || row.ChunkEnd != 0 || row.Text != step.text) ||
				len(rows) > 1 && (row.Chunk != i+1 || row.Text != string(runes[row.ChunkStart:row.ChunkEnd])) {
				t.Errorf("%s: chunk %d is %+v", step.name, i, row.Record)
			}
		}
	}
	// A text that is stored whole takes the place of its chunks, too.
	if _, err := embeddings.IngestChunks(ctx, service, store, []embeddings.Item{{SourceType: "note", SourceID: "x", Text: long}}, chunking); err != nil {
		t.Fatal(err)
	}
	if _, err := embeddings.Ingest(ctx, service, store, []embeddings.Item{{SourceType: "note", SourceID: "x", Text: long}}); err != nil {
		t.Fatal(err)
	}
	if rows, err := store.GetBySource(ctx, "note", "x", ""); err != nil || len(rows) != 1 || rows[0].Chunk != 0 {
		t.Error(len(rows), err)
	}
	if _, err := embeddings.IngestChunks(ctx, service, store, []embeddings.Item{{SourceType: "note", SourceID: "y"}}, chunking); !errors.Is(err, embeddings.ErrEmptyText) {
		t.Error(err)
	}
}

func TestReindexMovesAStoreToAnotherModel(t *testing.T) {
	ctx := t.Context()
	service := open(t, filepath.Join(testenv.Repository(t), "tests/fixtures/mpnet"))
	store := openStore(t, ":memory:")
	info, err := service.ModelInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	records := make([]embeddings.Record, 600)
	for i := range records {
		records[i] = embeddings.Record{
			SourceType: "note", SourceID: fmt.Sprint(i), Text: fmt.Sprintf("this is number %d", i),
			Model: "old", Fingerprint: "old", Vector: []float32{1, float32(i)},
		}
	}
	if _, err := store.Put(ctx, records); err != nil {
		t.Fatal(err)
	}
	old, err := store.GetBySource(ctx, "note", "7", "old")
	if err != nil {
		t.Fatal(err)
	}
	before := old[0]

	stopped, stop := context.WithCancel(ctx)
	_, err = store.Reindex(stopped, service, embeddings.ReindexOptions{}, embeddings.WithProgress(func(done, total int) {
		if done >= 256 {
			stop()
		}
	}))
	if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	var told []int
	report, err := store.Reindex(ctx, service, embeddings.ReindexOptions{KeepOld: true}, embeddings.WithProgress(func(done, total int) {
		told = append(told, done, total)
	}))
	if err != nil || *report != (embeddings.ReindexReport{Embedded: 344}) || !slices.Equal(told, []int{256, 600, 512, 600, 600, 600}) {
		t.Fatalf("%+v, error %v, told %v", report, err, told)
	}
	if n, err := store.Count(ctx, embeddings.Selection{}); n != 1200 || err != nil {
		t.Fatal(n, err)
	}
	report, err = store.Reindex(ctx, service, embeddings.ReindexOptions{})
	if err != nil || *report != (embeddings.ReindexReport{Deleted: 600}) {
		t.Fatalf("%+v, error %v", report, err)
	}
	rows, err := store.GetBySource(ctx, "note", "7", info.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	after := rows[0]
	result, err := service.Embed(ctx, before.Text, embeddings.WithPromptName(embeddings.PromptDocument))
	if err != nil || !slices.Equal(after.Vector, result.Vector) || after.Text != before.Text || after.ID != before.ID || !after.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("%+v, error %v; before %+v", after, err, before)
	}

	if _, err := store.Reindex(ctx, service, embeddings.ReindexOptions{}, embeddings.WithTruncate(embeddings.TruncateLeft)); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Error(err)
	}
	store.Close()
	if _, err := store.Reindex(ctx, service, embeddings.ReindexOptions{}); !errors.Is(err, embeddings.ErrClosed) {
		t.Error(err)
	}
}

func TestAPanicInTheProgressOfReindexComesOut(t *testing.T) {
	service := open(t, testenv.TinyModel(t))
	store := openStore(t, ":memory:")
	defer func() {
		if got := recover(); got != "no more" {
			t.Error(got)
		}
		if _, err := store.Count(t.Context(), embeddings.Selection{}); err != nil {
			t.Error(err)
		}
	}()
	store.Reindex(t.Context(), service, embeddings.ReindexOptions{}, embeddings.WithProgress(func(int, int) { panic("no more") }))
	t.Error("it went on")
}
