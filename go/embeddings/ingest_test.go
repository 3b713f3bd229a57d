package embeddings_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
)

func TestIngestEmbedsOnlyWhatIsNew(t *testing.T) {
	ctx := t.Context()
	service, store := new(embedtest.Service), new(embedtest.Store)
	item := func(id, text string) embeddings.Item {
		return embeddings.Item{SourceType: "note", SourceID: id, Text: text}
	}
	const inserted, replaced, unchanged = embeddings.Inserted, embeddings.Replaced, embeddings.Unchanged
	for _, step := range []struct {
		name     string
		items    []embeddings.Item
		outcomes []embeddings.Outcome
		embedded int64
		rows     int
	}{
		{"nothing", nil, []embeddings.Outcome{}, 0, 0},
		{"new ones", []embeddings.Item{item("a", "one"), item("b", "two")}, []embeddings.Outcome{inserted, inserted}, 2, 2},
		{"again", []embeddings.Item{item("a", "one"), item("b", "two")}, []embeddings.Outcome{unchanged, unchanged}, 0, 2},
		{"one changed", []embeddings.Item{item("a", "one"), item("b", "TWO")}, []embeddings.Outcome{unchanged, replaced}, 1, 2},
		{"one source twice", []embeddings.Item{item("c", "first"), item("c", "last")}, []embeddings.Outcome{unchanged, inserted}, 1, 3},
		{"and again", []embeddings.Item{item("c", "first"), item("c", "last")}, []embeddings.Outcome{unchanged, unchanged}, 0, 3},
	} {
		service.Texts.Store(0)
		outcomes, err := embeddings.Ingest(ctx, service, store, step.items)
		if err != nil || !slices.Equal(outcomes, step.outcomes) {
			t.Fatalf("%s: %v, error %v; expected %v", step.name, outcomes, err, step.outcomes)
		}
		if n := service.Texts.Load(); n != step.embedded {
			t.Errorf("%s: %d texts were embedded; expected %d", step.name, n, step.embedded)
		}
		if n, err := store.Count(ctx, embeddings.Selection{}); err != nil || n != step.rows {
			t.Errorf("%s: %d rows, error %v; expected %d", step.name, n, err, step.rows)
		}
	}
	rows, err := store.GetBySource(ctx, "note", "c", embedtest.Fingerprint)
	if err != nil || len(rows) != 1 || rows[0].Text != "last" || rows[0].Model != "fake" {
		t.Fatal(rows, err)
	}
}

func TestNewMetadataNeedsNoNewVector(t *testing.T) {
	ctx := t.Context()
	service, store := new(embedtest.Service), new(embedtest.Store)
	item := embeddings.Item{SourceType: "note", SourceID: "a", Text: "one", Metadata: embeddings.Metadata{"year": 2020}}
	for _, step := range []struct {
		year    int
		outcome embeddings.Outcome
	}{{2020, embeddings.Inserted}, {2020, embeddings.Unchanged}, {2021, embeddings.Replaced}} {
		item.Metadata["year"] = step.year
		outcomes, err := embeddings.Ingest(ctx, service, store, []embeddings.Item{item})
		if err != nil || outcomes[0] != step.outcome {
			t.Fatalf("%d: %v, error %v; expected %v", step.year, outcomes, err, step.outcome)
		}
	}
	rows, err := store.GetBySource(ctx, "note", "a", embedtest.Fingerprint)
	if err != nil || rows[0].Metadata["year"] != int64(2021) || len(rows[0].Vector) == 0 || service.Texts.Load() != 1 {
		t.Errorf("%+v, error %v, %d texts were embedded", rows, err, service.Texts.Load())
	}
}

func TestIngestStoresAllOrNothing(t *testing.T) {
	ctx := t.Context()
	service, store := new(embedtest.Service), new(embedtest.Store)
	items := []embeddings.Item{{SourceType: "a", SourceID: "b", Text: "c"}, {SourceType: "a", SourceID: "", Text: "c"}}
	if _, err := embeddings.Ingest(ctx, service, store, items); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Fatal(err)
	}
	service.Err = embeddings.ErrOverloaded
	if _, err := embeddings.Ingest(ctx, service, store, items[:1]); !errors.Is(err, embeddings.ErrOverloaded) {
		t.Fatal(err)
	}
	if n, err := store.Count(ctx, embeddings.Selection{}); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

// vanishing deletes a row after it has said that it is there.
type vanishing struct{ *embedtest.Store }

func (v vanishing) Has(ctx context.Context, records []embeddings.Record) ([]bool, error) {
	has, err := v.Store.Has(ctx, records)
	if err == nil {
		_, err = v.DeleteBySource(ctx, "note", "a")
	}
	return has, err
}

func TestARowThatIsDeletedMeanwhileIsStoredAgain(t *testing.T) {
	service, store := new(embedtest.Service), new(embedtest.Store)
	items := []embeddings.Item{{SourceType: "note", SourceID: "a", Text: "one"}, {SourceType: "note", SourceID: "b", Text: "two"}}
	if _, err := embeddings.Ingest(t.Context(), service, store, items); err != nil {
		t.Fatal(err)
	}
	outcomes, err := embeddings.Ingest(t.Context(), service, vanishing{store}, items)
	if want := []embeddings.Outcome{embeddings.Inserted, embeddings.Unchanged}; err != nil || !slices.Equal(outcomes, want) {
		t.Fatalf("%v, error %v; expected %v", outcomes, err, want)
	}
	if n, err := store.Count(t.Context(), embeddings.Selection{}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
}
