package store

import (
	"cmp"
	"math"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

const (
	// MaxLimit is how many rows a search may ask for.
	MaxLimit        = 10_000
	defaultLimit    = 10
	defaultConstant = 60
	leastCandidates = 50
	leastDepth      = 100
)

// CheckSearch refuses a search that makes no sense, and gives the options with their defaults and a filter as
// [CheckFilter] gives it. Fusion is there where Words are.
func CheckSearch(query []float32, o embeddings.SearchOptions) (embeddings.SearchOptions, error) {
	var err error
	if o.Filter, err = CheckFilter(o.Filter); err != nil {
		return o, err
	}
	for _, n := range []struct {
		what  string
		value int
	}{{"Limit", o.Limit}, {"Candidates", o.Candidates}} {
		if n.value < 0 || n.value > MaxLimit {
			return o, invalid("%s is %d; expected 1 to %d, or 0 for the default", n.what, n.value, MaxLimit)
		}
	}
	o.Limit = cmp.Or(o.Limit, defaultLimit)
	o.Candidates = max(o.Limit, cmp.Or(o.Candidates, min(MaxLimit, max(leastCandidates, 5*o.Limit))))
	if len(query) > 0 {
		if err := CheckVector(query); err != nil {
			return o, err
		}
	}
	switch {
	case o.Fingerprint == "" && o.Like == "":
		return o, invalid("Fingerprint is empty; expected that of the model that made the query")
	case !(o.Threshold >= -1 && o.Threshold <= 1):
		return o, invalid("Threshold is %v; expected a cosine from -1 to 1", o.Threshold)
	case !(o.Diversity >= 0 && o.Diversity <= 1):
		return o, invalid("Diversity is %v; expected 0 to 1", o.Diversity)
	case o.Diversity > 0 && o.Words != "":
		return o, invalid("Diversity with Words; it is for searches by vector")
	case o.Like != "" && len(query) > 0:
		return o, invalid("Like with a vector; the row's is searched for")
	case o.Like != "" && o.Words != "":
		return o, invalid("Like with Words; it is a search by vector")
	case o.After != nil && o.After.ID == "":
		return o, invalid("After has no id; expected the Cursor of a match")
	case o.After != nil && (o.Words != "" || o.Diversity > 0):
		return o, invalid("After with Words or Diversity, whose matches are in no order of distance")
	case o.Fusion != nil && o.Words == "":
		return o, invalid("Fusion without Words; it says how the orders by vector and by words become one")
	case len(query) == 0 && o.Words == "" && o.Like == "":
		return o, refused(embeddings.ErrDimensions, "there is no vector, and neither Words nor Like")
	}
	if o.Words != "" {
		o.Fusion, err = checkFusion(o.Fusion, o.Limit)
	}
	return o, err
}

func checkFusion(given *embeddings.Fusion, limit int) (*embeddings.Fusion, error) {
	f := embeddings.Fusion{VectorWeight: 1, WordsWeight: 1}
	if given != nil {
		f = *given
	}
	sum := f.VectorWeight + f.WordsWeight
	f.RankConstant = cmp.Or(f.RankConstant, defaultConstant)
	f.Depth = cmp.Or(f.Depth, min(MaxLimit, max(leastDepth, 4*limit)))
	switch {
	case !(f.VectorWeight >= 0 && f.WordsWeight >= 0 && sum > 0) || math.IsInf(float64(sum), 0):
		return nil, invalid("weights %v by vector and %v by words; expected 0 or more, finite, and not both 0", f.VectorWeight, f.WordsWeight)
	case !(f.RankConstant >= 1) || math.IsInf(float64(f.RankConstant), 0):
		return nil, invalid("RankConstant is %v; expected 1 or more", f.RankConstant)
	case f.Depth < 0 || f.Depth > MaxLimit:
		return nil, invalid("Depth is %d; expected 1 to %d, or 0 for the default", f.Depth, MaxLimit)
	}
	return &f, nil
}

// Measure sets the similarity and the distance of a match to a query, from its vector: in f64, so that they do not
// depend on the engine. Vectors of different sizes are not alike at all.
func Measure(m *embeddings.Match, query []float32) {
	cosine := cosine(query, m.Vector)
	m.Similarity, m.Distance = float32(cosine), float32(math.Sqrt(max(2-2*cosine, 0)))
}

func cosine(a, b []float32) (dot float64) {
	if len(a) != len(b) {
		return 0
	}
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return min(max(dot/norm(a)/norm(b), -1), 1)
}

// ByDistance is the order of a search by vector: nearest first, equals by id.
func ByDistance(a, b embeddings.Match) int {
	return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
}

// ByScore is the order of a search by words, and of a fused one: best first, equals by id.
func ByScore(a, b embeddings.Match) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
}

// IsAfter says that a match comes after a cursor, in the order of ByDistance; after none, all do.
func IsAfter(m *embeddings.Match, after *embeddings.Cursor) bool {
	return after == nil || ByDistance(*m, embeddings.Match{Distance: after.Distance,
		Embedding: embeddings.Embedding{Record: embeddings.Record{ID: after.ID}}}) > 0
}
