package embedtest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Search compares with every row. Its score for words is how many of them a row has, which is not BM25.
func (s *Store) Search(ctx context.Context, query []float32, options embeddings.SearchOptions) ([]embeddings.Match, error) {
	options, err := checked(query, options)
	if err != nil {
		return nil, err
	}
	if options.Like != "" {
		row, err := s.Get(ctx, options.Like)
		if err != nil {
			return nil, err
		}
		if options.Fingerprint != "" && options.Fingerprint != row.Fingerprint {
			return nil, embeddings.ErrInvalidArgument
		}
		query, options.Fingerprint = row.Vector, row.Fingerprint
	}
	rows, err := s.list(ctx, embeddings.ListOptions{
		Selection: embeddings.Selection{Fingerprint: options.Fingerprint, Filter: options.Filter},
	})
	if err != nil {
		return nil, err
	}
	var near, matched []embeddings.Match
	for _, row := range rows {
		m := embeddings.Match{Embedding: row}
		if n := words(row.Text, options.Words); n > 0 {
			m.Score = float32(n)
			matched = append(matched, m)
			m.Score = 0
		}
		if len(row.Vector) != len(query) || len(query) == 0 || row.ID == options.Like {
			continue
		}
		cosine := cosine(query, row.Vector)
		m.Similarity, m.Distance = float32(cosine), float32(math.Sqrt(max(2-2*cosine, 0)))
		m.Score = m.Similarity
		if cosine >= float64(options.Threshold) {
			near = append(near, m)
		}
	}
	byScore := func(a, b embeddings.Match) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)) }
	slices.SortFunc(near, func(a, b embeddings.Match) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(matched, byScore)
	found := near
	switch {
	case options.Words != "" && len(query) > 0:
		found = fuse(near, matched, options)
		slices.SortFunc(found, byScore)
		for i := range found {
			if cosine := cosine(query, found[i].Vector); found[i].VectorRank == 0 {
				found[i].Similarity, found[i].Distance = float32(cosine), float32(math.Sqrt(max(2-2*cosine, 0)))
			}
		}
	case options.Words != "":
		for i := range matched {
			matched[i].WordsRank = i + 1
		}
		found = matched
	}
	if options.GroupBySource {
		seen := map[string]bool{}
		found = slices.DeleteFunc(found, func(m embeddings.Match) bool {
			source := fmt.Sprintf("%q %q", m.SourceType, m.SourceID)
			again := seen[source]
			seen[source] = true
			return again
		})
	}
	if options.After != nil {
		found = slices.DeleteFunc(found, func(m embeddings.Match) bool {
			return cmp.Or(cmp.Compare(m.Distance, options.After.Distance), cmp.Compare(m.ID, options.After.ID)) <= 0
		})
	}
	if options.Diversity > 0 {
		found = diverse(found[:min(len(found), options.Candidates)], options)
	}
	found = found[:min(len(found), options.Limit)]
	for i := range found {
		if options.Words == "" {
			found[i].VectorRank = i + 1
		}
		if options.WithoutVectors {
			found[i].Vector = nil
		}
	}
	return found, nil
}

// checked refuses options that make no sense, and sets the defaults.
func checked(query []float32, o embeddings.SearchOptions) (embeddings.SearchOptions, error) {
	if o.Limit < 0 || o.Candidates < 0 {
		return o, embeddings.ErrInvalidArgument
	}
	o.Limit = cmp.Or(o.Limit, 10)
	o.Candidates = max(o.Limit, cmp.Or(o.Candidates, 5*o.Limit, 50))
	fusion := embeddings.Fusion{VectorWeight: 1, WordsWeight: 1}
	if o.Fusion != nil {
		fusion = *o.Fusion
	}
	fusion.RankConstant = cmp.Or(fusion.RankConstant, 60)
	fusion.Depth = cmp.Or(fusion.Depth, max(100, 4*o.Limit))
	switch {
	case o.Fusion != nil && o.Words == "",
		o.Limit > 10_000,
		o.Fingerprint == "" && o.Like == "",
		!(o.Threshold >= -1 && o.Threshold <= 1),
		!(o.Diversity >= 0 && o.Diversity <= 1) || o.Diversity > 0 && o.Words != "",
		!(fusion.VectorWeight >= 0 && fusion.WordsWeight >= 0 && fusion.VectorWeight+fusion.WordsWeight > 0),
		!(fusion.RankConstant >= 1) || fusion.Depth < 0 || fusion.Depth > 50_000,
		o.Like != "" && (len(query) > 0 || o.Words != ""),
		len(query) > 0 && !(norm(query) > 0),
		o.After != nil && (o.After.ID == "" || o.Words != "" || o.Diversity > 0):
		return o, embeddings.ErrInvalidArgument
	case len(query) == 0 && o.Words == "" && o.Like == "":
		return o, embeddings.ErrDimensions
	}
	o.Fusion = &fusion
	return o, nil
}

// words counts how many of the words a text has.
func words(text, wanted string) (n int) {
	fields := func(text string) []string {
		return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	has := fields(text)
	for _, word := range fields(wanted) {
		if slices.Contains(has, word) {
			n++
		}
	}
	return n
}

func fuse(near, matched []embeddings.Match, options embeddings.SearchOptions) (found []embeddings.Match) {
	f := options.Fusion
	for i, m := range near[:min(len(near), f.Depth)] {
		m.VectorRank, m.Score = i+1, f.VectorWeight/(f.RankConstant+float32(i+1))
		found = append(found, m)
	}
	for i, m := range matched[:min(len(matched), f.Depth)] {
		at := slices.IndexFunc(found, func(other embeddings.Match) bool { return other.ID == m.ID })
		if at < 0 {
			m.Score, at = 0, len(found)
			found = append(found, m)
		}
		found[at].WordsRank = i + 1
		found[at].Score += f.WordsWeight / (f.RankConstant + float32(i+1))
	}
	return slices.DeleteFunc(found, func(m embeddings.Match) bool { return m.Score == 0 })
}

func diverse(found []embeddings.Match, options embeddings.SearchOptions) (chosen []embeddings.Match) {
	lambda := float64(1 - options.Diversity)
	for len(found) > 0 && len(chosen) < options.Limit {
		best, bestScore := 0, math.Inf(-1)
		for i, m := range found {
			nearest := math.Inf(-1)
			for _, before := range chosen {
				nearest = max(nearest, cosine(m.Vector, before.Vector))
			}
			score := lambda * float64(m.Similarity)
			if len(chosen) > 0 {
				score -= (1 - lambda) * nearest
			}
			if score > bestScore {
				best, bestScore = i, score
			}
		}
		chosen = append(chosen, found[best])
		found = slices.Delete(found, best, best+1)
	}
	return chosen
}

func cosine(a, b []float32) (dot float64) {
	if len(a) != len(b) {
		return 0
	}
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return dot / norm(a) / norm(b)
}
