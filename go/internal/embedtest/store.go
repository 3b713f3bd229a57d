package embedtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Store keeps rows in memory.
type Store struct {
	mu   sync.Mutex
	rows map[key]embeddings.Embedding
	last int // number of the newest id
}

type key struct {
	kind, id    string
	chunk       int
	fingerprint string
}

var _ embeddings.Store = (*Store)(nil)

// begin locks the store for a call, unless ctx is done; unlock is to be called.
func (s *Store) begin(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	s.mu.Lock()
	if s.rows == nil {
		s.rows = map[key]embeddings.Embedding{}
	}
	return s.mu.Unlock, nil
}

func keyOf(r embeddings.Record) key { return key{r.SourceType, r.SourceID, r.Chunk, r.Fingerprint} }

// Put stores records.
func (s *Store) Put(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	rows, last := maps.Clone(s.rows), s.last
	outcomes := make([]embeddings.Outcome, len(records))
	for i, r := range records {
		if outcomes[i], err = putOne(rows, r, &last); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
	}
	s.rows, s.last = rows, last
	return outcomes, nil
}

func putOne(rows map[key]embeddings.Embedding, r embeddings.Record, last *int) (embeddings.Outcome, error) {
	row, there := rows[keyOf(r)]
	switch {
	case r.SourceType == "" || r.SourceID == "" || r.Fingerprint == "" || r.Chunk < 0 || r.ChunkStart < 0 || r.ChunkStart > r.ChunkEnd:
		return 0, embeddings.ErrInvalidArgument
	case r.Text == "":
		return 0, embeddings.ErrEmptyText
	case len(r.Vector) == 0 && !(there && row.Text == r.Text):
		return 0, embeddings.ErrDimensions
	case len(r.Vector) > 0 && (norm(r.Vector) == 0 || math.IsNaN(norm(r.Vector)) || math.IsInf(norm(r.Vector), 0)):
		return 0, embeddings.ErrInvalidArgument
	case there && r.ID != "" && r.ID != row.ID:
		return 0, embeddings.ErrInvalidArgument
	}
	written, err := json.Marshal(r.Metadata)
	if err != nil {
		return 0, err
	}
	if r.Metadata, err = embeddings.ParseMetadata(written); err != nil {
		return 0, err
	}
	if r.Vector = slices.Clone(r.Vector); len(r.Vector) == 0 {
		r.Vector = row.Vector
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	outcome := embeddings.Replaced
	if !there {
		outcome = embeddings.Inserted
		row.ID, row.CreatedAt = r.ID, now
		if row.ID == "" {
			*last++
			row.ID = fmt.Sprintf("%08d", *last)
		}
		for _, other := range rows {
			if other.ID == row.ID {
				return 0, embeddings.ErrInvalidArgument
			}
		}
	} else if row.Text == r.Text && row.Model == r.Model && row.ChunkStart == r.ChunkStart && row.ChunkEnd == r.ChunkEnd &&
		slices.Equal(row.Vector, r.Vector) && maps.Equal(row.Metadata, r.Metadata) {
		return embeddings.Unchanged, nil
	}
	r.ID = row.ID
	row.Record, row.UpdatedAt, row.Dimensions = r, now, len(r.Vector)
	rows[keyOf(r)] = row
	return outcome, nil
}

// Has looks for texts.
func (s *Store) Has(ctx context.Context, records []embeddings.Record) ([]bool, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	has := make([]bool, len(records))
	for i, r := range records {
		row, there := s.rows[keyOf(r)]
		has[i] = there && row.Text == r.Text && (len(r.Vector) == 0 || len(r.Vector) == len(row.Vector))
	}
	return has, nil
}

// selected gives the rows that pass, in the order of their ids.
func (s *Store) selected(passes func(*embeddings.Embedding) bool) (rows []embeddings.Embedding) {
	for _, row := range s.rows {
		if passes(&row) {
			row.Vector, row.Metadata = slices.Clone(row.Vector), maps.Clone(row.Metadata)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b embeddings.Embedding) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

// Get finds a row.
func (s *Store) Get(ctx context.Context, id string) (*embeddings.Embedding, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	rows := s.selected(func(row *embeddings.Embedding) bool { return row.ID == id })
	if len(rows) == 0 {
		return nil, embeddings.ErrNotFound
	}
	return &rows[0], nil
}

// GetBySource finds a source's rows.
func (s *Store) GetBySource(ctx context.Context, sourceType, sourceID, fingerprint string) ([]embeddings.Embedding, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	rows := s.selected(func(row *embeddings.Embedding) bool {
		return row.SourceType == sourceType && row.SourceID == sourceID && (fingerprint == "" || row.Fingerprint == fingerprint)
	})
	if len(rows) == 0 {
		return nil, embeddings.ErrNotFound
	}
	slices.SortStableFunc(rows, func(a, b embeddings.Embedding) int { return cmp.Compare(a.Chunk, b.Chunk) })
	return rows, nil
}

// List gives rows.
func (s *Store) List(ctx context.Context, options embeddings.ListOptions) iter.Seq2[*embeddings.Embedding, error] {
	return func(yield func(*embeddings.Embedding, error) bool) {
		rows, err := s.list(ctx, options)
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

func (s *Store) list(ctx context.Context, options embeddings.ListOptions) ([]embeddings.Embedding, error) {
	passes, err := selector(options.Selection)
	if err != nil {
		return nil, err
	}
	if options.Limit < 0 {
		return nil, embeddings.ErrInvalidArgument
	}
	unlock, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	rows := s.selected(func(row *embeddings.Embedding) bool { return row.ID > options.After && passes(row) })
	if options.Limit > 0 {
		rows = rows[:min(len(rows), options.Limit)]
	}
	if options.WithoutVectors {
		for i := range rows {
			rows[i].Vector = nil
		}
	}
	return rows, nil
}

// Count counts rows.
func (s *Store) Count(ctx context.Context, selection embeddings.Selection) (int, error) {
	rows, err := s.list(ctx, embeddings.ListOptions{Selection: selection})
	return len(rows), err
}

// Delete deletes rows.
func (s *Store) Delete(ctx context.Context, ids ...string) (int, error) {
	return s.remove(ctx, func(row *embeddings.Embedding) bool { return slices.Contains(ids, row.ID) })
}

// DeleteBySource deletes a source's rows.
func (s *Store) DeleteBySource(ctx context.Context, sourceType, sourceID string) (int, error) {
	return s.remove(ctx, func(row *embeddings.Embedding) bool { return row.SourceType == sourceType && row.SourceID == sourceID })
}

// DeleteWhere deletes the rows that pass a filter.
func (s *Store) DeleteWhere(ctx context.Context, filter embeddings.Filter) (int, error) {
	if filter.IsZero() {
		return 0, embeddings.ErrInvalidArgument
	}
	passes, err := selector(embeddings.Selection{Filter: filter})
	if err != nil {
		return 0, err
	}
	return s.remove(ctx, passes)
}

func (s *Store) remove(ctx context.Context, passes func(*embeddings.Embedding) bool) (int, error) {
	unlock, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	before := len(s.rows)
	maps.DeleteFunc(s.rows, func(_ key, row embeddings.Embedding) bool { return passes(&row) })
	return before - len(s.rows), nil
}

func norm(vector []float32) float64 {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
