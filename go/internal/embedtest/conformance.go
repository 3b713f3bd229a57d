package embedtest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// TestStore is what a store must do. open makes an empty one and closes it after the test.
func TestStore(t *testing.T, open func(t *testing.T) embeddings.Store) {
	ctx := context.Background()
	record := func(id, text string, vector ...float32) embeddings.Record {
		return embeddings.Record{
			SourceType: "note", SourceID: id, Text: text, Model: "m", Fingerprint: "f", Vector: vector,
		}
	}
	put := func(t *testing.T, store embeddings.Store, records ...embeddings.Record) []embeddings.Outcome {
		t.Helper()
		outcomes, err := store.Put(ctx, records)
		if err != nil {
			t.Fatal(err)
		}
		return outcomes
	}
	count := func(t *testing.T, store embeddings.Store, want int) {
		t.Helper()
		if got, err := store.Count(ctx); err != nil || got != want {
			t.Fatalf("%d rows, error %v; expected %d", got, err, want)
		}
	}
	search := func(t *testing.T, store embeddings.Store, options embeddings.SearchOptions, want ...string) []embeddings.Match {
		t.Helper()
		options.Fingerprint = "f"
		matches, err := store.Search(ctx, []float32{2, 0}, options)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range matches {
			got = append(got, m.SourceID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("found %q; expected %q", got, want)
		}
		return matches
	}

	t.Run("a row comes back as it was put", func(t *testing.T) {
		store := open(t)
		in := record("id\x00 ü", "text with NUL \x00 and 😀", 3, -4)
		if got := put(t, store, in); got[0] != embeddings.Inserted {
			t.Fatal(got)
		}
		out, err := store.Get(ctx, in.SourceType, in.SourceID, in.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		if out.Text != in.Text || out.SourceID != in.SourceID || out.SourceType != in.SourceType ||
			out.Model != in.Model || out.Fingerprint != in.Fingerprint || !slices.Equal(out.Vector, in.Vector) {
			t.Fatalf("got %+v; put %+v", out.Record, in)
		}
		if out.ID == "" || out.CreatedAt.IsZero() || out.UpdatedAt.Before(out.CreatedAt) {
			t.Fatalf("id %q, created %v, updated %v", out.ID, out.CreatedAt, out.UpdatedAt)
		}
	})

	t.Run("a second row of a source replaces the first, and the same one changes nothing", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "old", 1, 0))
		first, err := store.Get(ctx, "note", "a", "f")
		if err != nil {
			t.Fatal(err)
		}
		if got := put(t, store, record("a", "new", 0, 1)); got[0] != embeddings.Replaced {
			t.Fatal(got)
		}
		if got := put(t, store, record("a", "new", 0, 1)); got[0] != embeddings.Unchanged {
			t.Fatal(got)
		}
		second, err := store.Get(ctx, "note", "a", "f")
		if err != nil {
			t.Fatal(err)
		}
		if second.ID != first.ID || !second.CreatedAt.Equal(first.CreatedAt) || second.Text != "new" {
			t.Fatalf("was %+v, is %+v", first, second)
		}
		count(t, store, 1)
		if m := search(t, store, embeddings.SearchOptions{Threshold: -1}, "a"); math.Abs(float64(m[0].Similarity)) > 1e-6 {
			t.Fatalf("the index still has the old vector: similarity %v", m[0].Similarity)
		}
	})

	t.Run("of equal sources in one call the last stays", func(t *testing.T) {
		store := open(t)
		got := put(t, store, record("a", "one", 1, 0), record("b", "other", 1, 0), record("a", "two", 0, 1))
		want := []embeddings.Outcome{embeddings.Inserted, embeddings.Inserted, embeddings.Replaced}
		if !slices.Equal(got, want) {
			t.Fatalf("%v; expected %v", got, want)
		}
		if row, err := store.Get(ctx, "note", "a", "f"); err != nil || row.Text != "two" {
			t.Fatal(row, err)
		}
		count(t, store, 2)
	})

	t.Run("one bad record, and none is stored", func(t *testing.T) {
		store := open(t)
		nan := float32(math.NaN())
		for name, bad := range map[string]struct {
			record embeddings.Record
			err    error
		}{
			"no source type": {embeddings.Record{SourceID: "x", Text: "x", Fingerprint: "f", Vector: []float32{1}}, embeddings.ErrInvalidArgument},
			"no source id":   {embeddings.Record{SourceType: "x", Text: "x", Fingerprint: "f", Vector: []float32{1}}, embeddings.ErrInvalidArgument},
			"no fingerprint": {embeddings.Record{SourceType: "x", SourceID: "x", Text: "x", Vector: []float32{1}}, embeddings.ErrInvalidArgument},
			"no text":        {record("x", "", 1, 0), embeddings.ErrEmptyText},
			"zero":           {record("x", "x", 0, 0), embeddings.ErrInvalidArgument},
			"NaN":            {record("x", "x", 1, nan), embeddings.ErrInvalidArgument},
		} {
			if _, err := store.Put(ctx, []embeddings.Record{record("good", "good", 1, 0), bad.record}); !errors.Is(err, bad.err) {
				t.Errorf("%s: %v; expected %v", name, err, bad.err)
			}
			count(t, store, 0)
		}
	})

	t.Run("nothing put, nothing done", func(t *testing.T) {
		store := open(t)
		if got := put(t, store); len(got) != 0 {
			t.Fatal(got)
		}
		count(t, store, 0)
	})

	t.Run("the nearest come first, those of the threshold only, up to the limit", func(t *testing.T) {
		store := open(t)
		search(t, store, embeddings.SearchOptions{Threshold: -1})
		put(t, store, record("opposite", "x", -1, 0), record("half", "x", 1, 1), record("same", "x", 7, 0), record("right", "x", 0, 1))
		matches := search(t, store, embeddings.SearchOptions{Threshold: -1}, "same", "half", "right", "opposite")
		for i, cosine := range []float64{1, math.Sqrt(0.5), 0, -1} {
			similarity, distance := float64(matches[i].Similarity), float64(matches[i].Distance)
			if math.Abs(similarity-cosine) > 1e-6 || math.Abs(similarity-(1-distance*distance/2)) > 1e-6 {
				t.Errorf("%s: similarity %v, distance %v; expected %v", matches[i].SourceID, similarity, distance, cosine)
			}
		}
		search(t, store, embeddings.SearchOptions{Threshold: 0.5}, "same", "half")
		search(t, store, embeddings.SearchOptions{}, "same", "half", "right")
		search(t, store, embeddings.SearchOptions{Threshold: -1, Limit: 1}, "same")
	})

	t.Run("models are kept apart", func(t *testing.T) {
		store := open(t)
		other := record("a", "by another model", 1, 0)
		other.Fingerprint = "g"
		longer := record("a", "of other dimensions", 1, 0, 0)
		longer.Fingerprint = "h"
		put(t, store, record("a", "by this model", 1, 0), other, longer)
		count(t, store, 3)
		if m := search(t, store, embeddings.SearchOptions{}, "a"); m[0].Text != "by this model" {
			t.Fatal(m[0].Text)
		}
		if n, err := store.Delete(ctx, "note", "a"); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		search(t, store, embeddings.SearchOptions{Threshold: -1})
	})

	t.Run("what is not there is not found, and deleting it is no error", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "x", 1, 0))
		for _, source := range [][3]string{{"note", "b", "f"}, {"note", "a", "g"}, {"mail", "a", "f"}} {
			if _, err := store.Get(ctx, source[0], source[1], source[2]); !errors.Is(err, embeddings.ErrNotFound) {
				t.Error(source, err)
			}
		}
		if n, err := store.Delete(ctx, "note", "b"); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := store.Delete(ctx, "note", "a"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		count(t, store, 0)
	})

	t.Run("a search that makes no sense is refused", func(t *testing.T) {
		store := open(t)
		nan := float32(math.NaN())
		for name, bad := range map[string]struct {
			query   []float32
			options embeddings.SearchOptions
		}{
			"negative limit":      {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Limit: -1}},
			"limit too large":     {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Limit: 10_001}},
			"no fingerprint":      {[]float32{1, 0}, embeddings.SearchOptions{}},
			"threshold too large": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Threshold: 1.5}},
			"threshold NaN":       {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Threshold: nan}},
			"zero query":          {[]float32{0, 0}, embeddings.SearchOptions{Fingerprint: "f"}},
		} {
			if _, err := store.Search(ctx, bad.query, bad.options); !errors.Is(err, embeddings.ErrInvalidArgument) {
				t.Errorf("%s: %v; expected %v", name, err, embeddings.ErrInvalidArgument)
			}
		}
	})

	t.Run("a context that is done ends every call", func(t *testing.T) {
		store := open(t)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, put := store.Put(done, []embeddings.Record{record("a", "x", 1, 0)})
		_, get := store.Get(done, "note", "a", "f")
		_, deleted := store.Delete(done, "note", "a")
		_, searched := store.Search(done, []float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f"})
		_, counted := store.Count(done)
		for i, err := range []error{put, get, deleted, searched, counted} {
			if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.Canceled) {
				t.Error(i, err)
			}
		}
		count(t, store, 0)
	})
}
