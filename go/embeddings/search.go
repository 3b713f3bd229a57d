package embeddings

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// SearchOptions says what to search for, beside the vector that a search is given.
type SearchOptions struct {
	// Fingerprint is that of the model that made the query; only its rows are searched. Not empty; with Like it may be, and
	// is then the row's.
	Fingerprint string
	// Limit is how many rows are wanted at most, 1 to 10,000; 0 is 10.
	Limit int
	// Threshold is the least cosine, -1 to 1; not for words. Zero is a threshold too: unrelated texts lie around it.
	Threshold float32
	// Filter is which rows are searched. It applies before Limit, and no other row has any influence on what is found, on
	// its order or its scores: it may be what a caller is allowed to read.
	Filter Filter
	// Words finds rows that have any of these words, best first by BM25. With a vector too, both orders are fused by
	// reciprocal rank, see [Fusion]. Nothing in it is syntax.
	Words string
	// Fusion is how much either order counts; nil is both alike. Only with a vector and Words.
	Fusion *Fusion
	// Like is the id of a row: rows near to it are found, without itself. The vector of the search is nil then, and there
	// are no Words. Where there is no such row it is an ErrNotFound.
	Like string
	// After is the last match of the page before: only rows that come after it are found. nil for the first page. Not with
	// Words or Diversity.
	After *Cursor
	// GroupBySource gives only the best chunk of each source.
	GroupBySource bool
	// Diversity gives less of the same, by maximal marginal relevance: 0 is the usual order, up to 1, where nothing but the
	// distance to the matches before counts. Not with Words.
	Diversity float32
	// Candidates is among how many of the nearest rows Diversity chooses, up to 10,000; 0 is five times the limit, at least
	// 50.
	Candidates int
	// WithoutVectors leaves Vector of the matches nil, which saves reading and copying them.
	WithoutVectors bool
}

// Fusion is how the orders by vector and by words become one (Cormack, Clarke and Büttcher 2009): a row's score is
// VectorWeight / (RankConstant + its rank by vector) + WordsWeight / (RankConstant + its rank by words).
type Fusion struct {
	// VectorWeight and WordsWeight are 0 or more, and not both 0.
	VectorWeight, WordsWeight float32
	// RankConstant is how little the first ranks differ, 1 or more; 0 is 60.
	RankConstant float32
	// Depth is how many ranks of each order count, up to 10,000; 0 is four times the limit, at least 100.
	Depth int
}

// Match is a row that a search found.
type Match struct {
	// Embedding is the row.
	Embedding
	// Similarity is the cosine to the query, -1 to 1; 0 where there was no vector.
	Similarity float32
	// Distance is L2 between the two at unit length: Similarity = 1 - Distance*Distance/2; 0 where there was no vector.
	Distance float32
	// Score is what matches are ordered by, best first: the similarity, BM25 for words, the fused score for both.
	Score float32
	// VectorRank is the row's place by vector, from 1; 0 where it has none.
	VectorRank int
	// WordsRank is the row's place by words, from 1; 0 where it has none.
	WordsRank int
}

// Cursor is where the match stands in the order of distance and id, for After of the next page.
func (m *Match) Cursor() *Cursor { return &Cursor{Distance: m.Distance, ID: m.ID} }

// Cursor is a place between two pages of a search.
type Cursor struct {
	// Distance is the match's, bit by bit.
	Distance float32
	// ID is the match's.
	ID string
}

// String is the cursor as [ParseCursor] reads it: nothing of the distance is lost.
func (c *Cursor) String() string {
	return strconv.FormatFloat(float64(c.Distance), 'g', -1, 32) + "," + c.ID
}

// ParseCursor reads what String has written; what is none is an ErrInvalidArgument.
func ParseCursor(text string) (*Cursor, error) {
	number, id, _ := strings.Cut(text, ",")
	distance, err := strconv.ParseFloat(number, 32)
	if err != nil || !(distance >= 0 && distance <= 2.1) || id == "" {
		return nil, invalid("%q is no place between two pages; expected a distance and an id, such as "+
			`"0.8424,019a8b7c-0000-7000-8000-000000000000"`, text)
	}
	return &Cursor{Distance: float32(distance), ID: id}, nil
}

// Search gives the rows nearest to a vector, or with words, or both: best first, equals by id. Filter and threshold apply
// before the limit. The vector is nil where the options have Words only, or Like.
func (s *EmbeddingStore) Search(ctx context.Context, query []float32, options SearchOptions) ([]Match, error) {
	matches, _, err := s.Explain(ctx, query, options)
	return matches, err
}

// SemanticSearch is Search without a context.
func (s *EmbeddingStore) SemanticSearch(query []float32, options SearchOptions) ([]Match, error) {
	return s.Search(context.Background(), query, options)
}

// Explanation is how a search has found its matches. Times are in microseconds.
type Explanation struct {
	// Index is which one answered for the vector: "rows" (the rows were read), "vec0", or "none".
	Index string `json:"index"`
	// Compared is how many vectors were compared with the query.
	Compared int64 `json:"compared"`
	// Rounds is how often the index was asked: equals, groups and pages can need more than once.
	Rounds int `json:"rounds"`
	// Matched is how many rows have words of the query and pass the filter.
	Matched int64 `json:"matched"`
	// VectorMicros, WordsMicros and RowsMicros are what the vector, the words and the reading of the rows took.
	VectorMicros int64 `json:"vector_us"`
	WordsMicros  int64 `json:"words_us"`
	RowsMicros   int64 `json:"rows_us"`
	// TotalMicros is what all took.
	TotalMicros int64 `json:"total_us"`
}

// Explain is Search, and says how it was done.
func (s *EmbeddingStore) Explain(ctx context.Context, query []float32, options SearchOptions) ([]Match, *Explanation, error) {
	native, err := options.native()
	if err != nil {
		return nil, nil, err
	}
	if err := cancelled(ctx); err != nil {
		return nil, nil, err
	}
	rows, text, err := s.native.Search(query, native)
	if err != nil {
		return nil, nil, public(err)
	}
	if err := cancelled(ctx); err != nil {
		return nil, nil, err
	}
	matches := make([]Match, len(rows))
	for i, row := range rows {
		embedding, err := stored(row)
		if err != nil {
			return nil, nil, err
		}
		matches[i] = Match{
			Embedding:  *embedding,
			Similarity: row.Similarity,
			Distance:   row.Distance,
			Score:      row.Score,
			VectorRank: row.VectorRank,
			WordsRank:  row.WordsRank,
		}
	}
	var explanation Explanation
	if err := json.Unmarshal([]byte(text), &explanation); err != nil {
		return nil, nil, fmt.Errorf("%w: the explanation of a search: %w", ErrInternal, err)
	}
	return matches, &explanation, nil
}

// native is the options as the library takes them.
func (o *SearchOptions) native() (capi.SearchOptions, error) {
	filter, err := o.Filter.native()
	if err != nil {
		return capi.SearchOptions{}, err
	}
	native := capi.SearchOptions{
		Fingerprint:    o.Fingerprint,
		Filter:         filter,
		Words:          o.Words,
		Like:           o.Like,
		Limit:          o.Limit,
		Candidates:     o.Candidates,
		Threshold:      o.Threshold,
		Diversity:      o.Diversity,
		GroupBySource:  o.GroupBySource,
		WithoutVectors: o.WithoutVectors,
	}
	if o.After != nil {
		if o.After.ID == "" {
			return native, invalid("After has no id; expected the Cursor of a match")
		}
		native.AfterID, native.AfterDistance = o.After.ID, o.After.Distance
	}
	if o.Fusion != nil {
		if o.Words == "" {
			return native, invalid("Fusion without Words; it says how the orders by vector and by words become one")
		}
		if native.VectorWeight, err = weight("VectorWeight", o.Fusion.VectorWeight); err != nil {
			return native, err
		}
		if native.WordsWeight, err = weight("WordsWeight", o.Fusion.WordsWeight); err != nil {
			return native, err
		}
		native.RankConstant, native.Depth = o.Fusion.RankConstant, o.Fusion.Depth
	}
	for name, n := range map[string]int{"Limit": native.Limit, "Candidates": native.Candidates, "Depth": native.Depth} {
		if n < 0 {
			return native, invalid("%s is %d; expected 1 to 10,000, or 0 for the default", name, n)
		}
	}
	return native, nil
}

// weight makes a weight the library's, where 0 is the default and a negative one nothing.
func weight(name string, weight float32) (float32, error) {
	switch {
	case weight == 0:
		return -1, nil
	case weight > 0 && !math.IsInf(float64(weight), 0):
		return weight, nil
	}
	return 0, invalid("Fusion.%s is %v; expected 0 or more, and finite", name, weight)
}
