package store

import (
	"math"
	"slices"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// BestOfSource leaves the first match of each source.
func BestOfSource(matches []embeddings.Match) []embeddings.Match {
	type source struct{ kind, id string }
	seen := make(map[source]bool, len(matches))
	return slices.DeleteFunc(matches, func(m embeddings.Match) bool {
		of := source{m.SourceType, m.SourceID}
		again := seen[of]
		seen[of] = true
		return again
	})
}

// Fuse makes one order of those by vector and by words, by reciprocal rank (docs/search.md): the first Depth of each
// count.
func Fuse(near, worded []embeddings.Match, f *embeddings.Fusion) []embeddings.Match {
	near, worded = near[:min(len(near), f.Depth)], worded[:min(len(worded), f.Depth)]
	fused := make([]embeddings.Match, 0, len(near)+len(worded))
	places := make(map[string]int, len(near))
	for i, m := range near {
		m.VectorRank, m.WordsRank, m.Score = i+1, 0, f.VectorWeight/(f.RankConstant+float32(i+1))
		places[m.ID] = len(fused)
		fused = append(fused, m)
	}
	for i, m := range worded {
		at, both := places[m.ID]
		if !both {
			m.VectorRank, m.Score = 0, 0
			at, fused = len(fused), append(fused, m)
		}
		fused[at].WordsRank = i + 1
		fused[at].Score += f.WordsWeight / (f.RankConstant + float32(i+1))
	}
	fused = slices.DeleteFunc(fused, func(m embeddings.Match) bool { return m.Score == 0 })
	slices.SortFunc(fused, ByScore)
	return fused
}

// Diverse chooses some of the matches, which need their vectors, by maximal marginal relevance (docs/search.md).
func Diverse(matches []embeddings.Match, limit int, diversity float32) []embeddings.Match {
	lambda := 1 - float64(diversity)
	chosen := make([]embeddings.Match, 0, min(limit, len(matches)))
	nearest := make([]float64, len(matches)) // to one that is chosen
	for i := range nearest {
		nearest[i] = math.Inf(-1)
	}
	left := make([]int, len(matches))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 && len(chosen) < limit {
		best, bestScore := 0, math.Inf(-1)
		for place, i := range left {
			score := lambda * float64(matches[i].Similarity)
			if len(chosen) > 0 {
				score -= (1 - lambda) * nearest[i]
			}
			if score > bestScore {
				best, bestScore = place, score
			}
		}
		taken := matches[left[best]]
		chosen, left = append(chosen, taken), slices.Delete(left, best, best+1)
		for _, i := range left {
			nearest[i] = max(nearest[i], cosine(matches[i].Vector, taken.Vector))
		}
	}
	return chosen
}
