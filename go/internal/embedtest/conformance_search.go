package embedtest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func testSearch(t *testing.T, open func(t *testing.T) embeddings.Store) {
	t.Run("the nearest come first, those of the threshold only, up to the limit", func(t *testing.T) {
		store := open(t)
		search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: -1})
		put(t, store, record("opposite", "x", -1, 0), record("half", "x", 1, 1), record("same", "x", 7, 0), record("right", "x", 0, 1))
		matches := search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: -1}, "same", "half", "right", "opposite")
		for i, cosine := range []float64{1, math.Sqrt(0.5), 0, -1} {
			similarity, distance := float64(matches[i].Similarity), float64(matches[i].Distance)
			if math.Abs(similarity-cosine) > 1e-6 || math.Abs(similarity-(1-distance*distance/2)) > 1e-6 {
				t.Errorf("%s: similarity %v, distance %v; expected %v", matches[i].SourceID, similarity, distance, cosine)
			}
		}
		search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: 0.5}, "same", "half")
		search(t, store, []float32{2, 0}, embeddings.SearchOptions{}, "same", "half", "right")
		search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: -1, Limit: 1}, "same")
	})

	t.Run("models are kept apart", func(t *testing.T) {
		store := open(t)
		other := record("a", "by another model", 1, 0)
		other.Fingerprint = "g"
		longer := record("a", "of other dimensions", 1, 0, 0)
		longer.Fingerprint = "h"
		put(t, store, record("a", "by this model", 1, 0), other, longer)
		count(t, store, 3)
		if m := search(t, store, []float32{2, 0}, embeddings.SearchOptions{}, "a"); m[0].Text != "by this model" {
			t.Fatal(m[0].Text)
		}
		if n, err := store.DeleteBySource(t.Context(), "note", "a"); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		search(t, store, []float32{2, 0}, embeddings.SearchOptions{Threshold: -1})
	})

	t.Run("a row of another kind has no influence", func(t *testing.T) {
		store := open(t)
		for i, id := range []string{"a", "b", "c", "d", "e"} {
			r := record(id, "x", 10, float32(i))
			r.Metadata = embeddings.Metadata{"even": i%2 == 0}
			put(t, store, r)
		}
		even := embeddings.Eq(embeddings.Meta("even"), true)
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Filter: even, Limit: 2}, "a", "c")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Filter: embeddings.Not(even)}, "b", "d")
		other := embeddings.And(even, embeddings.Ne(embeddings.FieldSourceID, "a"))
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Filter: other, Limit: 1}, "c")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Filter: embeddings.Or()})
	})

	t.Run("pages give each row once, in order, equals too", func(t *testing.T) {
		store := open(t)
		for i := range 23 {
			put(t, store, record(string(rune('a'+i)), "x", 5, float32(i/4)))
		}
		whole, err := store.Search(t.Context(), []float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Limit: 100})
		if err != nil || len(whole) != 23 {
			t.Fatal(len(whole), err)
		}
		for _, size := range []int{1, 3, 22, 23, 24} {
			var paged []embeddings.Match
			options := embeddings.SearchOptions{Fingerprint: "f", Limit: size}
			for {
				page, err := store.Search(t.Context(), []float32{1, 0}, options)
				if err != nil {
					t.Fatal(err)
				}
				paged = append(paged, page...)
				if len(page) < size {
					break
				}
				// As text, as it goes through a URL.
				if options.After, err = embeddings.ParseCursor(page[size-1].Cursor().String()); err != nil {
					t.Fatal(err)
				}
			}
			same := func(a, b embeddings.Match) bool { return a.ID == b.ID && a.Distance == b.Distance }
			if !slices.EqualFunc(paged, whole, same) {
				t.Errorf("pages of %d give others, or in another order", size)
			}
		}
	})

	t.Run("more like a row are its neighbours without itself", func(t *testing.T) {
		store := open(t)
		put(t, store, record("far", "x", 0, 1), record("me", "x", 2, 0), record("near", "x", 5, 1), record("same", "y", 1, 0))
		me := get(t, store, "me").ID
		matches := search(t, store, nil, embeddings.SearchOptions{Like: me}, "same", "near", "far")
		if math.Abs(float64(matches[0].Similarity)-1) > 1e-6 || matches[0].VectorRank != 1 || matches[2].VectorRank != 3 {
			t.Errorf("%+v", matches)
		}
		search(t, store, nil, embeddings.SearchOptions{Like: me, Limit: 1, Threshold: 0.5}, "same")
		search(t, store, nil, embeddings.SearchOptions{Like: me, Filter: embeddings.Eq(embeddings.FieldSourceID, "far")}, "far")
		if _, err := store.Search(t.Context(), nil, embeddings.SearchOptions{Like: "nobody"}); !errors.Is(err, embeddings.ErrNotFound) {
			t.Errorf("like no row: %v", err)
		}
	})

	t.Run("a source in groups is found once, by its best chunk", func(t *testing.T) {
		store := open(t)
		for i, id := range []string{"a", "a", "b", "a", "b"} {
			r := record(id, "x", 5, float32(i))
			r.Chunk = 10 - i
			put(t, store, r)
		}
		matches := search(t, store, []float32{1, 0}, embeddings.SearchOptions{GroupBySource: true}, "a", "b")
		if matches[0].Chunk != 10 || matches[1].Chunk != 8 {
			t.Errorf("chunks %d and %d; expected 10 and 8", matches[0].Chunk, matches[1].Chunk)
		}
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{GroupBySource: true, Limit: 1}, "a")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{GroupBySource: true, After: matches[0].Cursor()}, "b")
	})

	t.Run("diversity takes another direction before a copy", func(t *testing.T) {
		store := open(t)
		put(t, store, record("best", "x", 10, 1), record("copy", "x", 20, 2.2), record("other", "x", 10, -8))
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{}, "best", "copy", "other")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Diversity: 0.5}, "best", "other", "copy")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Diversity: 0.5, Candidates: 2, Limit: 2}, "best", "copy")
		search(t, store, []float32{1, 0}, embeddings.SearchOptions{Diversity: 0.5, Limit: 2}, "best", "other")
	})

	t.Run("vectors are left out where they are not wanted", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "x", 3, 4))
		with := search(t, store, []float32{1, 0}, embeddings.SearchOptions{}, "a")
		without := search(t, store, []float32{1, 0}, embeddings.SearchOptions{WithoutVectors: true}, "a")
		if !slices.Equal(with[0].Vector, []float32{3, 4}) || without[0].Vector != nil || without[0].Dimensions != 2 ||
			without[0].Similarity != with[0].Similarity {
			t.Errorf("%+v, %+v", with, without)
		}
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
			"diversity too large": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Diversity: 1.5}},
			"diversity NaN":       {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Diversity: nan}},
			"negative candidates": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Diversity: 0.5, Candidates: -1}},
			"diversity of words":  {nil, embeddings.SearchOptions{Fingerprint: "f", Words: "x", Diversity: 0.5}},
			"page of words":       {nil, embeddings.SearchOptions{Fingerprint: "f", Words: "x", After: &embeddings.Cursor{Distance: 1, ID: "a"}}},
			"page after nothing":  {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", After: &embeddings.Cursor{Distance: 1}}},
			"like with a vector":  {[]float32{1, 0}, embeddings.SearchOptions{Like: "a"}},
			"like with words":     {nil, embeddings.SearchOptions{Like: "a", Words: "x"}},
			"fusion of one order": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Fusion: &embeddings.Fusion{VectorWeight: 1}}},
			"no weight at all":    {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Words: "x", Fusion: &embeddings.Fusion{}}},
			"negative weight": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Words: "x",
				Fusion: &embeddings.Fusion{VectorWeight: -1, WordsWeight: 2}}},
			"weight NaN": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Words: "x",
				Fusion: &embeddings.Fusion{VectorWeight: nan, WordsWeight: 1}}},
			"negative depth": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Words: "x",
				Fusion: &embeddings.Fusion{VectorWeight: 1, WordsWeight: 1, Depth: -1}}},
			"rank constant below 1": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Words: "x",
				Fusion: &embeddings.Fusion{VectorWeight: 1, WordsWeight: 1, RankConstant: 0.5}}},
			"a filter that is none": {[]float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Filter: embeddings.Eq("colour", "red")}},
		} {
			if _, err := store.Search(t.Context(), bad.query, bad.options); !errors.Is(err, embeddings.ErrInvalidArgument) {
				t.Errorf("%s: %v; expected %v", name, err, embeddings.ErrInvalidArgument)
			}
		}
		if _, err := store.Search(t.Context(), nil, embeddings.SearchOptions{Fingerprint: "f"}); !errors.Is(err, embeddings.ErrDimensions) {
			t.Errorf("neither vector nor words nor a row: %v", err)
		}
	})
}

func testWords(t *testing.T, open func(t *testing.T) embeddings.Store, byShard bool) {
	fill := func(t *testing.T) embeddings.Store {
		store := open(t)
		put(t, store,
			record("button", "Press the RED button: it halts the pump.", 1, 0.1),
			record("switch", "The red switch is beside the door.", 1, 3),
			record("lunch", "Lunch is at noon.", 1, 0.2),
			record("valve", "Close the valve of the pump slowly!", 1, 0.4))
		return store
	}

	t.Run("words are found without case and punctuation, and nothing in them is syntax", func(t *testing.T) {
		store := fill(t)
		for words, want := range map[string][]string{
			"red":                      {"button", "switch"},
			"PUMP":                     {"button", "valve"},
			"noon":                     {"lunch"},
			"noon OR":                  {"lunch"},
			`"noon" AND (NEAR* -lunch`: {"lunch"},
			"unheard":                  {},
			"?!":                       {},
		} {
			matches, err := store.Search(t.Context(), nil, embeddings.SearchOptions{Fingerprint: "f", Words: words})
			if err != nil {
				t.Fatalf("%q: %v", words, err)
			}
			found := []string{}
			for i, m := range matches {
				found = append(found, m.SourceID)
				if m.WordsRank != i+1 || m.VectorRank != 0 || m.Similarity != 0 || m.Score <= 0 {
					t.Errorf("%q: match %d is %+v", words, i, m)
				}
			}
			if slices.Sort(found); !slices.Equal(found, want) {
				t.Errorf("%q finds %q; expected %q", words, found, want)
			}
		}
		matches, err := store.Search(t.Context(), nil, embeddings.SearchOptions{Fingerprint: "f", Words: "red pump"})
		if err != nil || len(matches) != 3 {
			t.Fatalf("not three: %+v, error %v", matches, err)
		}
		if !byShard && matches[0].SourceID != "button" {
			t.Errorf("the one with both words is not the first of three: %+v", matches)
		}
		if matches[0].Score < matches[1].Score || matches[1].Score < matches[2].Score {
			t.Errorf("not the best first: %+v", matches)
		}
		filter := embeddings.Ne(embeddings.FieldSourceID, "button")
		search(t, store, nil, embeddings.SearchOptions{Words: "red", Filter: filter}, "switch")
		best, err := store.Search(t.Context(), nil, embeddings.SearchOptions{Fingerprint: "f", Words: "red pump", Limit: 1})
		if err != nil || len(best) != 1 || best[0].Score != matches[0].Score || !byShard && best[0].SourceID != "button" {
			t.Errorf("%+v is not the best, error %v", best, err)
		}
	})

	t.Run("words and vector are fused by rank, and each match has both", func(t *testing.T) {
		store := fill(t)
		query := []float32{1, 0}
		matches := search(t, store, query, embeddings.SearchOptions{Words: "switch", Threshold: -1}, "switch", "button", "lunch", "valve")
		first, second := matches[0], matches[1]
		if first.VectorRank != 4 || first.WordsRank != 1 || second.VectorRank != 1 || second.WordsRank != 0 ||
			math.Abs(float64(first.Score)-(1.0/64+1.0/61)) > 1e-6 || math.Abs(float64(first.Similarity)-1/math.Sqrt(10)) > 1e-6 {
			t.Errorf("%+v", matches)
		}
		// By its words alone: its similarity is known all the same.
		fusion := &embeddings.Fusion{VectorWeight: 1, WordsWeight: 2}
		matches = search(t, store, query, embeddings.SearchOptions{Words: "switch", Threshold: 0.9, Fusion: fusion}, "switch", "button", "lunch", "valve")
		if matches[0].VectorRank != 0 || math.Abs(float64(matches[0].Similarity)-1/math.Sqrt(10)) > 1e-6 {
			t.Errorf("%+v", matches[0])
		}
		fusion = &embeddings.Fusion{VectorWeight: 1}
		search(t, store, query, embeddings.SearchOptions{Words: "switch", Threshold: -1, Fusion: fusion}, "button", "lunch", "valve", "switch")
		fusion = &embeddings.Fusion{WordsWeight: 0.5, RankConstant: 1}
		matches = search(t, store, query, embeddings.SearchOptions{Words: "switch", Fusion: fusion}, "switch")
		if matches[0].Score != 0.25 {
			t.Errorf("score %v; expected 0.5 / (1 + 1)", matches[0].Score)
		}
		fusion = &embeddings.Fusion{VectorWeight: 1, WordsWeight: 1, Depth: 1}
		only := embeddings.Ne(embeddings.FieldSourceID, "button")
		matches = search(t, store, query, embeddings.SearchOptions{Words: "lunch", Threshold: -1, Fusion: fusion, Filter: only}, "lunch")
		if matches[0].VectorRank != 1 || matches[0].WordsRank != 1 {
			t.Errorf("of one rank each: %+v", matches)
		}
	})
}
