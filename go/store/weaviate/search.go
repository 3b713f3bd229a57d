package weaviate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// Search gives the rows nearest to a vector, or those with words, or both as the options say: best first. What is not
// as in a file is said at the top of this package.
func (s *Store) Search(ctx context.Context, query []float32, options embeddings.SearchOptions) ([]embeddings.Match, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	options, err := store.CheckSearch(query, options)
	if err != nil {
		return nil, err
	}
	if options.Like != "" {
		row, err := s.Get(ctx, options.Like)
		if err != nil {
			return nil, err
		}
		if options.Fingerprint != "" && options.Fingerprint != row.Fingerprint {
			return nil, invalid("Like: the row '%s' is of fingerprint %q, not of %q", row.ID, row.Fingerprint, options.Fingerprint)
		}
		query, options.Fingerprint = row.Vector, row.Fingerprint
	}
	c, err := s.collection(ctx, options.Fingerprint)
	if err != nil || c == nil {
		return nil, err
	}
	of, err := s.translate(ctx, c, options.Filter)
	if err != nil || of.none {
		return nil, err
	}
	f := finder{s, c, of, query, &options}
	matches, err := f.find(ctx)
	if err != nil {
		return nil, err
	}
	matches = matches[:min(len(matches), options.Limit)]
	for i := range matches {
		m := &matches[i]
		if options.Words == "" {
			m.VectorRank = i + 1
		}
		if options.WithoutVectors {
			m.Vector = nil
		}
	}
	return matches, nil
}

// finder is one search.
type finder struct {
	store      *Store
	collection *collection
	of         condition
	query      []float32
	options    *embeddings.SearchOptions
}

func (f *finder) find(ctx context.Context) ([]embeddings.Match, error) {
	o := f.options
	switch {
	case o.Words != "" && len(f.query) > 0:
		near, err := f.enough(ctx, o.Fusion.Depth, f.near, f.passing)
		if err != nil {
			return nil, err
		}
		worded, err := f.enough(ctx, o.Fusion.Depth, f.worded, whole)
		if err != nil {
			return nil, err
		}
		fused := store.Fuse(near, worded, o.Fusion)
		if o.GroupBySource {
			fused = store.BestOfSource(fused)
		}
		return fused, nil
	case o.Words != "":
		narrow := whole
		if o.GroupBySource {
			narrow = store.BestOfSource
		}
		matches, err := f.enough(ctx, o.Limit, f.worded, func(matches []embeddings.Match) []embeddings.Match {
			for i := range matches {
				matches[i].WordsRank = i + 1
				matches[i].Similarity, matches[i].Distance = 0, 0
			}
			return narrow(matches)
		})
		return matches, err
	case o.Diversity > 0:
		candidates, err := f.enough(ctx, o.Candidates, f.near, f.pages)
		if err != nil {
			return nil, err
		}
		return store.Diverse(candidates[:min(len(candidates), o.Candidates)], o.Limit, o.Diversity), nil
	}
	return f.enough(ctx, o.Limit, f.near, f.pages)
}

func whole(matches []embeddings.Match) []embeddings.Match { return matches }

// passing leaves what reaches the threshold.
func (f *finder) passing(matches []embeddings.Match) []embeddings.Match {
	return slices.DeleteFunc(matches, func(m embeddings.Match) bool {
		return m.ID == f.options.Like || !(m.Similarity >= f.options.Threshold)
	})
}

// pages leaves what the options leave of a search by vector.
func (f *finder) pages(matches []embeddings.Match) []embeddings.Match {
	matches = f.passing(matches)
	if f.options.GroupBySource {
		matches = store.BestOfSource(matches)
	}
	return slices.DeleteFunc(matches, func(m embeddings.Match) bool { return !store.IsAfter(&m, f.options.After) })
}

// ranking is the first rows of an order of the engine's.
type ranking struct {
	matches []embeddings.Match
	// more says that there are others that count.
	more bool
	// unsettled says which could change places with rows that the engine has not given.
	unsettled func(embeddings.Match) bool
}

type ranked func(ctx context.Context, rows int) (ranking, error)

// spare is how many rows are asked for beyond those that are wanted, to see where equals end.
const spare = 16

// enough asks for more and more rows until what is left of them is as many as are wanted, or there are no more.
func (f *finder) enough(ctx context.Context, wanted int, by ranked, narrow func([]embeddings.Match) []embeddings.Match) ([]embeddings.Match, error) {
	for rows := min(wanted+spare, maxRows); ; rows = min(4*rows, maxRows) {
		found, err := by(ctx, rows)
		if err != nil {
			return nil, err
		}
		matches := found.matches
		if !found.more {
			return narrow(matches), nil
		}
		if rows < maxRows {
			matches = slices.DeleteFunc(matches, found.unsettled)
		}
		if matches = narrow(matches); len(matches) >= wanted {
			return matches, nil
		}
		if rows == maxRows {
			return nil, fmt.Errorf("the search needs more than the %d rows that Weaviate looks through (groups, deep pages and equals count; %w); "+
				"ask for less, or narrow the filter", maxRows, errors.ErrUnsupported)
		}
	}
}

// tolerance is how far the engine's cosine, computed in f32 from vectors of unit length in f32, may be from ours.
const tolerance = 2e-6

// near is the order by vector.
func (f *finder) near(ctx context.Context, rows int) (ranking, error) {
	if len(f.query) != f.collection.dimensions {
		return ranking{}, nil // no row has a vector of that size
	}
	var args arguments
	args.where(f.of.where)
	args.add("limit", strconv.Itoa(rows))
	args.add("nearVector", "{vector:"+vectorText(f.query)+"}")
	matches, err := f.matches(ctx, "search by vector", args)
	if err != nil || len(matches) == 0 {
		return ranking{}, err
	}
	slices.SortFunc(matches, store.ByDistance)
	last := matches[len(matches)-1].Similarity
	return ranking{
		matches:   matches,
		more:      len(matches) == rows && last >= f.options.Threshold-tolerance,
		unsettled: func(m embeddings.Match) bool { return m.Similarity <= last+tolerance },
	}, nil
}

// worded is the order by words.
func (f *finder) worded(ctx context.Context, rows int) (ranking, error) {
	if !strings.ContainsFunc(f.options.Words, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
		return ranking{}, nil // there is no word in it
	}
	var args arguments
	args.where(f.of.where)
	args.add("limit", strconv.Itoa(rows))
	args.add("bm25", "{query:"+text(f.options.Words)+",properties:["+text(textProperty)+"]}")
	matches, err := f.matches(ctx, "search by words", args)
	if err != nil || len(matches) == 0 {
		return ranking{}, err
	}
	slices.SortFunc(matches, store.ByScore)
	last := matches[len(matches)-1].Score
	return ranking{
		matches:   matches,
		more:      len(matches) == rows,
		unsettled: func(m embeddings.Match) bool { return m.Score <= last },
	}, nil
}

func (f *finder) matches(ctx context.Context, what string, args arguments) ([]embeddings.Match, error) {
	vectors := len(f.query) > 0 || !f.options.WithoutVectors
	hits, err := f.store.get(ctx, what, f.collection, args, vectors)
	if err != nil {
		return nil, err
	}
	matches := make([]embeddings.Match, len(hits))
	for i, h := range hits {
		matches[i] = embeddings.Match{Embedding: *h.embedding, Score: h.score}
		if len(f.query) > 0 {
			store.Measure(&matches[i], f.query)
		}
		if f.options.Words == "" {
			matches[i].Score = matches[i].Similarity
		}
	}
	return matches, nil
}

// vectorText is a vector at unit length, so that what the engine sums in f32 neither over- nor underflows.
func vectorText(vector []float32) string {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	length := math.Sqrt(sum)
	out := []byte{'['}
	for i, x := range vector {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendFloat(out, float64(x)/length, 'g', 9, 32)
	}
	return string(append(out, ']'))
}
