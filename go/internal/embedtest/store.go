package embedtest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Store keeps rows in memory.
type Store struct {
	mu   sync.Mutex
	rows map[key]embeddings.Embedding
}

type key struct{ kind, id, fingerprint string }

var _ embeddings.Store = (*Store)(nil)

// Put stores records.
func (s *Store) Put(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	for _, r := range records {
		if r.SourceType == "" || r.SourceID == "" || r.Fingerprint == "" || norm(r.Vector) == 0 || math.IsNaN(norm(r.Vector)) {
			return nil, embeddings.ErrInvalidArgument
		}
		if r.Text == "" {
			return nil, embeddings.ErrEmptyText
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[key]embeddings.Embedding{}
	}
	outcomes := make([]embeddings.Outcome, len(records))
	for i, r := range records {
		k := key{r.SourceType, r.SourceID, r.Fingerprint}
		r.Vector = slices.Clone(r.Vector)
		old, there := s.rows[k]
		now := time.Now().UTC()
		switch {
		case !there:
			old = embeddings.Embedding{ID: strconv.Itoa(len(s.rows)), CreatedAt: now}
			outcomes[i] = embeddings.Inserted
		case old.Text == r.Text && slices.Equal(old.Vector, r.Vector):
			outcomes[i] = embeddings.Unchanged
			continue
		default:
			outcomes[i] = embeddings.Replaced
		}
		old.Record, old.UpdatedAt = r, now
		s.rows[k] = old
	}
	return outcomes, nil
}

// Get finds a row.
func (s *Store) Get(ctx context.Context, sourceType, sourceID, fingerprint string) (*embeddings.Embedding, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, there := s.rows[key{sourceType, sourceID, fingerprint}]
	if !there {
		return nil, embeddings.ErrNotFound
	}
	return &row, nil
}

// Delete deletes a source's rows.
func (s *Store) Delete(ctx context.Context, sourceType, sourceID string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rows)
	for k := range s.rows {
		if k.kind == sourceType && k.id == sourceID {
			delete(s.rows, k)
		}
	}
	return before - len(s.rows), nil
}

// Search compares with every row.
func (s *Store) Search(ctx context.Context, query []float32, options embeddings.SearchOptions) ([]embeddings.Match, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	if options.Limit == 0 {
		options.Limit = 10
	}
	if options.Limit < 0 || options.Limit > 10_000 || options.Fingerprint == "" ||
		!(options.Threshold >= -1 && options.Threshold <= 1) || norm(query) == 0 {
		return nil, embeddings.ErrInvalidArgument
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	matches := []embeddings.Match{}
	for k, row := range s.rows {
		if k.fingerprint != options.Fingerprint || len(row.Vector) != len(query) {
			continue
		}
		var dot float64
		for i := range query {
			dot += float64(query[i]) * float64(row.Vector[i])
		}
		cosine := dot / norm(query) / norm(row.Vector)
		if cosine >= float64(options.Threshold) {
			matches = append(matches, embeddings.Match{
				Embedding:  row,
				Similarity: float32(cosine),
				Distance:   float32(math.Sqrt(max(2-2*cosine, 0))),
			})
		}
	}
	slices.SortFunc(matches, func(a, b embeddings.Match) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID))
	})
	return matches[:min(len(matches), options.Limit)], nil
}

// Count counts rows.
func (s *Store) Count(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows), nil
}

func norm(vector []float32) float64 {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
