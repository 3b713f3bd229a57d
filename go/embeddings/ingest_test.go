package embeddings_test

import (
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
		if n, err := store.Count(ctx); err != nil || n != step.rows {
			t.Errorf("%s: %d rows, error %v; expected %d", step.name, n, err, step.rows)
		}
	}
	row, err := store.Get(ctx, "note", "c", embedtest.Fingerprint)
	if err != nil || row.Text != "last" || row.Model != "fake" {
		t.Fatal(row, err)
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
	if n, err := store.Count(ctx); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}
