package embedtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Difference is what a store does in another way, which its documentation says.
type Difference int

// WordsByShard: how rare a word is counts for each part of the rows by itself, so that matches of words come in an order that
// depends on which rows share a part.
const WordsByShard Difference = 1

// TestStore is what a store must do, but for its differences. open makes an empty one and closes it after the test.
func TestStore(t *testing.T, open func(t *testing.T) embeddings.Store, differences ...Difference) {
	t.Run("rows", func(t *testing.T) { testRows(t, open) })
	t.Run("lists", func(t *testing.T) { testLists(t, open) })
	t.Run("filters", func(t *testing.T) { testFilters(t, open) })
	t.Run("search", func(t *testing.T) { testSearch(t, open) })
	t.Run("words", func(t *testing.T) { testWords(t, open, slices.Contains(differences, WordsByShard)) })
}

func record(id, text string, vector ...float32) embeddings.Record {
	return embeddings.Record{
		SourceType: "note", SourceID: id, Text: text, Model: "m", Fingerprint: "f", Vector: vector,
	}
}

func put(t *testing.T, store embeddings.Store, records ...embeddings.Record) []embeddings.Outcome {
	t.Helper()
	outcomes, err := store.Put(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func count(t *testing.T, store embeddings.Store, want int) {
	t.Helper()
	if got, err := store.Count(t.Context(), embeddings.Selection{}); err != nil || got != want {
		t.Fatalf("%d rows, error %v; expected %d", got, err, want)
	}
}

// get gives the only row of a note.
func get(t *testing.T, store embeddings.Store, id string) embeddings.Embedding {
	t.Helper()
	rows, err := store.GetBySource(t.Context(), "note", id, "f")
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows of note %s, error %v; expected 1", len(rows), id, err)
	}
	return rows[0]
}

func search(t *testing.T, store embeddings.Store, query []float32, options embeddings.SearchOptions, want ...string) []embeddings.Match {
	t.Helper()
	if options.Like == "" {
		options.Fingerprint = "f"
	}
	matches, err := store.Search(t.Context(), query, options)
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

func sameRecord(a, b embeddings.Record) bool {
	return a.ID == b.ID && a.SourceType == b.SourceType && a.SourceID == b.SourceID && a.Chunk == b.Chunk &&
		a.ChunkStart == b.ChunkStart && a.ChunkEnd == b.ChunkEnd && a.Text == b.Text && a.Model == b.Model &&
		a.Fingerprint == b.Fingerprint && maps.Equal(a.Metadata, b.Metadata) && slices.Equal(a.Vector, b.Vector)
}

func testRows(t *testing.T, open func(t *testing.T) embeddings.Store) {
	t.Run("a row comes back as it was put", func(t *testing.T) {
		store := open(t)
		in := record("id\x00 ü", "text with NUL \x00 and 😀", 3, -4)
		in.Chunk, in.ChunkStart, in.ChunkEnd = 2, 10, 35
		in.Metadata = embeddings.Metadata{
			"text": "ü \x00 <&> \u2028", "empty": "", "yes": true, "no": false, "nothing": nil, "integer": int64(-5), "large": int64(math.MaxInt64),
			"float": 0.1, "whole float": 7.0, "huge": 1e300, "a.b": "c", " ": "blank key",
		}
		if got := put(t, store, in); got[0] != embeddings.Inserted {
			t.Fatal(got)
		}
		out := get(t, store, in.SourceID)
		if out.ID == "" || out.CreatedAt.IsZero() || out.UpdatedAt.Before(out.CreatedAt) || time.Since(out.CreatedAt).Abs() > time.Hour ||
			out.Dimensions != 2 {
			t.Fatalf("%+v", out)
		}
		in.ID = out.ID
		if !sameRecord(out.Record, in) {
			t.Fatalf("got %+v; put %+v", out.Record, in)
		}
		if same, err := store.Get(t.Context(), out.ID); err != nil || !sameRecord(same.Record, in) || !same.CreatedAt.Equal(out.CreatedAt) {
			t.Fatalf("by its id: %+v, error %v", same, err)
		}
	})

	t.Run("metadata takes every kind of number", func(t *testing.T) {
		store := open(t)
		in := record("a", "x", 1, 0)
		in.Metadata = embeddings.Metadata{"i": 1, "u": uint8(2), "f": float32(0.5), "w": float32(3)}
		put(t, store, in)
		want := embeddings.Metadata{"i": int64(1), "u": int64(2), "f": 0.5, "w": 3.0}
		if got := get(t, store, "a").Metadata; !maps.Equal(got, want) {
			t.Fatalf("%#v; expected %#v", got, want)
		}
		if put(t, store, in)[0] != embeddings.Unchanged {
			t.Error("the same metadata is not the same")
		}
		in.Metadata = nil
		if put(t, store, in)[0] != embeddings.Replaced || len(get(t, store, "a").Metadata) != 0 {
			t.Error("metadata that is gone is still there")
		}
	})

	t.Run("an id that is given is kept", func(t *testing.T) {
		store := open(t)
		in := record("a", "x", 1, 0)
		in.ID = "of my own"
		put(t, store, in)
		in.ID, in.Text = "", "y"
		if got := put(t, store, in); got[0] != embeddings.Replaced {
			t.Fatal(got)
		}
		if row, err := store.Get(t.Context(), "of my own"); err != nil || row.Text != "y" {
			t.Fatal(row, err)
		}
		for name, bad := range map[string]embeddings.Record{
			"another id for the row": {ID: "another", SourceType: "note", SourceID: "a", Text: "y", Fingerprint: "f", Vector: []float32{1, 0}},
			"the id of another row":  {ID: "of my own", SourceType: "note", SourceID: "b", Text: "y", Fingerprint: "f", Vector: []float32{1, 0}},
		} {
			if _, err := store.Put(t.Context(), []embeddings.Record{bad}); !errors.Is(err, embeddings.ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	t.Run("a source has chunks", func(t *testing.T) {
		store := open(t)
		for _, chunk := range []int{2, 0, 1} {
			r := record("a", fmt.Sprint("part ", chunk), 1, float32(chunk))
			r.Chunk = chunk
			put(t, store, r)
		}
		other := record("a", "by another model", 1, 0)
		other.Fingerprint = "g"
		put(t, store, other)
		rows, err := store.GetBySource(t.Context(), "note", "a", "f")
		if err != nil || len(rows) != 3 {
			t.Fatal(rows, err)
		}
		for i, row := range rows {
			if row.Chunk != i || row.Text != fmt.Sprint("part ", i) {
				t.Errorf("row %d is chunk %d, %q", i, row.Chunk, row.Text)
			}
		}
		if rows, err := store.GetBySource(t.Context(), "note", "a", ""); err != nil || len(rows) != 4 {
			t.Errorf("%d rows of all models, error %v; expected 4", len(rows), err)
		}
		if n, err := store.DeleteBySource(t.Context(), "note", "a"); n != 4 || err != nil {
			t.Error(n, err)
		}
		count(t, store, 0)
	})

	t.Run("what is there needs no vector", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "one", 3, 4), record("b", "two", 1, 0))
		otherModel, otherChunk := record("a", "one"), record("a", "one")
		otherModel.Fingerprint, otherChunk.Chunk = "g", 1
		has, err := store.Has(t.Context(), []embeddings.Record{
			record("a", "one"), record("a", "another"), record("c", "one"), otherModel, otherChunk, record("b", "two", 0, 1), record("b", "two", 0, 1, 0),
		})
		if want := []bool{true, false, false, false, false, true, false}; err != nil || !slices.Equal(has, want) {
			t.Fatalf("%v, error %v; expected %v", has, err, want)
		}
		tagged := record("a", "one")
		tagged.Metadata = embeddings.Metadata{"tag": "new"}
		if got := put(t, store, record("b", "two"), tagged); !slices.Equal(got, []embeddings.Outcome{embeddings.Unchanged, embeddings.Replaced}) {
			t.Fatal(got)
		}
		if row := get(t, store, "a"); !slices.Equal(row.Vector, []float32{3, 4}) || row.Metadata["tag"] != "new" {
			t.Fatalf("%+v", row)
		}
		for _, r := range []embeddings.Record{record("a", "another"), record("c", "one")} {
			if _, err := store.Put(t.Context(), []embeddings.Record{r}); !errors.Is(err, embeddings.ErrDimensions) {
				t.Errorf("%s %q without a vector: %v", r.SourceID, r.Text, err)
			}
		}
	})

	t.Run("a second row of a source replaces the first, and the same one changes nothing", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "old", 1, 0))
		first := get(t, store, "a")
		if got := put(t, store, record("a", "new", 0, 1)); got[0] != embeddings.Replaced {
			t.Fatal(got)
		}
		if got := put(t, store, record("a", "new", 0, 1)); got[0] != embeddings.Unchanged {
			t.Fatal(got)
		}
		second := get(t, store, "a")
		if second.ID != first.ID || !second.CreatedAt.Equal(first.CreatedAt) || second.Text != "new" {
			t.Fatalf("was %+v, is %+v", first, second)
		}
		count(t, store, 1)
		if m := search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: -1}, "a"); math.Abs(float64(m[0].Similarity)) > 1e-6 {
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
		if row := get(t, store, "a"); row.Text != "two" {
			t.Fatal(row)
		}
		count(t, store, 2)
	})

	t.Run("one bad record, and none is stored", func(t *testing.T) {
		store := open(t)
		nan := float32(math.NaN())
		chunked := func(chunk, start, end int) embeddings.Record {
			r := record("x", "x", 1, 0)
			r.Chunk, r.ChunkStart, r.ChunkEnd = chunk, start, end
			return r
		}
		tagged := func(value any) embeddings.Record {
			r := record("x", "x", 1, 0)
			r.Metadata = embeddings.Metadata{"key": value}
			return r
		}
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
			"no vector":      {record("x", "x"), embeddings.ErrDimensions},
			"chunk -1":       {chunked(-1, 0, 1), embeddings.ErrInvalidArgument},
			"backwards":      {chunked(1, 5, 4), embeddings.ErrInvalidArgument},
			"before it":      {chunked(1, -2, 4), embeddings.ErrInvalidArgument},
			"a list":         {tagged([]string{"a"}), embeddings.ErrInvalidArgument},
			"an object":      {tagged(map[string]any{}), embeddings.ErrInvalidArgument},
			"infinite":       {tagged(math.Inf(1)), embeddings.ErrInvalidArgument},
			"too large":      {tagged(uint64(math.MaxInt64) + 1), embeddings.ErrInvalidArgument},
			"not UTF-8":      {tagged("\xff"), embeddings.ErrInvalidUTF8},
		} {
			if _, err := store.Put(t.Context(), []embeddings.Record{record("good", "good", 1, 0), bad.record}); !errors.Is(err, bad.err) {
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

	t.Run("what is not there is not found, and deleting it is no error", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "x", 1, 0), record("c", "y", 1, 0), record("d", "z", 1, 0))
		for _, source := range [][3]string{{"note", "b", "f"}, {"note", "a", "g"}, {"mail", "a", "f"}, {"", "", ""}} {
			if _, err := store.GetBySource(t.Context(), source[0], source[1], source[2]); !errors.Is(err, embeddings.ErrNotFound) {
				t.Error(source, err)
			}
		}
		for _, id := range []string{"", "a", "00000000-0000-7000-8000-000000000000"} {
			if _, err := store.Get(t.Context(), id); !errors.Is(err, embeddings.ErrNotFound) {
				t.Errorf("id %q: %v", id, err)
			}
		}
		if n, err := store.DeleteBySource(t.Context(), "note", "b"); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := store.DeleteBySource(t.Context(), "note", "a"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		id := get(t, store, "c").ID
		for want := range 2 {
			if n, err := store.Delete(t.Context(), id, "no such id", id); n != 1-want || err != nil {
				t.Fatal(n, err)
			}
		}
		if n, err := store.Delete(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		count(t, store, 1)
	})

	t.Run("a context that is done ends every call", func(t *testing.T) {
		store := open(t)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		calls := map[string]error{}
		_, calls["Put"] = store.Put(done, []embeddings.Record{record("a", "x", 1, 0)})
		_, calls["Has"] = store.Has(done, []embeddings.Record{record("a", "x", 1, 0)})
		_, calls["Get"] = store.Get(done, "a")
		_, calls["GetBySource"] = store.GetBySource(done, "note", "a", "f")
		for _, err := range store.List(done, embeddings.ListOptions{}) {
			calls["List"] = err
		}
		_, calls["Count"] = store.Count(done, embeddings.Selection{})
		_, calls["Search"] = store.Search(done, []float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f"})
		_, calls["Delete"] = store.Delete(done, "a")
		_, calls["DeleteBySource"] = store.DeleteBySource(done, "note", "a")
		_, calls["DeleteWhere"] = store.DeleteWhere(done, embeddings.And())
		if len(calls) != 10 {
			t.Errorf("%d calls have ended", len(calls))
		}
		for name, err := range calls {
			if !errors.Is(err, embeddings.ErrCancelled) || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		count(t, store, 0)
	})
}
