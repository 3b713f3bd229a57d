package weaviate

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// pageRows is how many rows of a list are in memory at once, of each model.
const pageRows = 500

// Get gives the row of an id; ErrNotFound where there is none.
func (s *Store) Get(ctx context.Context, id string) (*embeddings.Embedding, error) {
	collections, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range collections {
		// The ids that the store makes are the engine's own.
		if parsed, err := uuid.Parse(id); err == nil && parsed.String() == id {
			row, err := s.byObjectID(ctx, c, id, true)
			if err != nil {
				return nil, err
			}
			if row != nil && row.ID == id {
				return row, nil
			}
		}
		var args arguments
		args.where(oneOf(fieldProperty(embeddings.FieldID), id).where)
		args.add("limit", "1")
		hits, err := s.get(ctx, "read a row", c, args, true)
		if err != nil {
			return nil, err
		}
		if len(hits) > 0 {
			return hits[0].embedding, nil
		}
	}
	return nil, fmt.Errorf("%w: there is no row with the id '%s'", embeddings.ErrNotFound, id)
}

// GetBySource gives all chunks of a source, in their order: of the model of this fingerprint or, where it is empty, of
// all. ErrNotFound where there is none.
func (s *Store) GetBySource(ctx context.Context, sourceType, sourceID, fingerprint string) ([]embeddings.Embedding, error) {
	var rows []embeddings.Embedding
	selection := embeddings.Selection{Fingerprint: fingerprint, Filter: bySource(sourceType, sourceID)}
	for row, err := range s.List(ctx, embeddings.ListOptions{Selection: selection}) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, *row)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%w: there is no row of %s '%s'", embeddings.ErrNotFound, sourceType, sourceID)
	}
	slices.SortStableFunc(rows, func(a, b embeddings.Embedding) int { return cmp.Compare(a.Chunk, b.Chunk) })
	return rows, nil
}

// Count is how many rows are selected; Selection{} is all.
func (s *Store) Count(ctx context.Context, selection embeddings.Selection) (int, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	if _, err := store.CheckFilter(selection.Filter); err != nil {
		return 0, err
	}
	collections, err := s.of(ctx, selection.Fingerprint)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, c := range collections {
		of, err := s.selected(ctx, c, selection.Filter)
		if err != nil {
			return 0, err
		}
		n, err := s.count(ctx, c, of)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// List gives rows in the order of their ids; an error is the last that is given. Rows are read in pages, and nothing is
// held open between two of them. A row that is written meanwhile is given or not.
func (s *Store) List(ctx context.Context, options embeddings.ListOptions) iter.Seq2[*embeddings.Embedding, error] {
	return func(yield func(*embeddings.Embedding, error) bool) {
		err := s.usable(ctx)
		if err == nil {
			_, err = store.CheckFilter(options.Filter)
		}
		if err == nil && options.Limit < 0 {
			err = invalid("Limit is %d; expected 0 (all) or more", options.Limit)
		}
		var collections []*collection
		if err == nil {
			collections, err = s.of(ctx, options.Fingerprint)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		s.merged(ctx, collections, options, yield)
	}
}

// merged gives the rows of all collections in one order.
func (s *Store) merged(ctx context.Context, collections []*collection, options embeddings.ListOptions, yield func(*embeddings.Embedding, error) bool) {
	type stream struct {
		next func() (*embeddings.Embedding, error, bool)
		row  *embeddings.Embedding
	}
	var streams []*stream
	advance := func(st *stream) error {
		row, err, more := st.next()
		if !more {
			row = nil
		}
		st.row = row
		return err
	}
	for _, c := range collections {
		next, stop := iter.Pull2(s.rowsOf(ctx, c, options))
		defer stop()
		st := &stream{next: next}
		if err := advance(st); err != nil {
			yield(nil, err)
			return
		}
		streams = append(streams, st)
	}
	for given := 0; options.Limit == 0 || given < options.Limit; given++ {
		var least *stream
		for _, st := range streams {
			if st.row != nil && (least == nil || st.row.ID < least.row.ID) {
				least = st
			}
		}
		if least == nil || !yield(least.row, nil) {
			return
		}
		if options.Limit > 0 && given+1 == options.Limit {
			return // the next page is nobody's
		}
		if err := advance(least); err != nil {
			yield(nil, err)
			return
		}
	}
}

// rowsOf gives those of one collection.
func (s *Store) rowsOf(ctx context.Context, c *collection, options embeddings.ListOptions) iter.Seq2[*embeddings.Embedding, error] {
	return func(yield func(*embeddings.Embedding, error) bool) {
		of, err := s.selected(ctx, c, options.Filter)
		if err != nil {
			yield(nil, err)
			return
		}
		if of.none {
			return
		}
		p := pager{store: s, of: of, collection: c, vectors: !options.WithoutVectors}
		for after, given := options.After, 0; ; {
			size := pageRows
			if options.Limit > 0 {
				size = min(size, options.Limit-given)
			}
			if size == 0 {
				return
			}
			rows, err := p.page(ctx, after, size)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) == 0 {
				return
			}
			after, given = rows[len(rows)-1].ID, given+len(rows)
		}
	}
}

// pager reads rows in the order of their ids. The engine sorts by a number out of its index, and by a text by reading all
// rows; so it is asked by the number that the id begins with, and by the id only among rows that have the same number.
type pager struct {
	store      *Store
	collection *collection
	of         condition
	vectors    bool
}

// page gives some rows after an id, none at the end only.
func (p *pager) page(ctx context.Context, after string, size int) ([]*embeddings.Embedding, error) {
	least := ordered(filters.GreaterThanEqual, 0)
	if after != "" {
		at := order(after)
		rows, err := p.alike(ctx, at, after, size)
		if err != nil || len(rows) > 0 {
			return rows, err
		}
		least = ordered(filters.GreaterThan, at)
	}
	rows, err := p.query(ctx, and(p.of, least), orderProperty, size)
	if err != nil {
		return nil, err
	}
	full := len(rows) == size
	slices.SortFunc(rows, func(a, b *embeddings.Embedding) int { return strings.Compare(a.ID, b.ID) })
	if !full {
		return rows, nil
	}
	// Of those that share the last number some may be missing.
	last := order(rows[len(rows)-1].ID)
	whole := slices.IndexFunc(rows, func(row *embeddings.Embedding) bool { return order(row.ID) == last })
	if whole > 0 {
		return rows[:whole], nil
	}
	return p.alike(ctx, last, "", size)
}

// alike gives rows whose ids have one number.
func (p *pager) alike(ctx context.Context, number float64, after string, size int) ([]*embeddings.Embedding, error) {
	property := fieldProperty(embeddings.FieldID)
	of := and(p.of, ordered(filters.Equal, number))
	if after != "" {
		_, text := encode(after)
		of = and(of, compare(property, filters.GreaterThan, text))
	}
	return p.query(ctx, of, property, size)
}

func (p *pager) query(ctx context.Context, of condition, by string, size int) ([]*embeddings.Embedding, error) {
	var args arguments
	args.where(of.where)
	args.add("limit", fmt.Sprint(size))
	args.add("sort", "[{path:["+text(by)+"],order:asc}]")
	hits, err := p.store.get(ctx, "list rows", p.collection, args, p.vectors, by)
	rows := make([]*embeddings.Embedding, len(hits))
	for i, h := range hits {
		rows[i] = h.embedding
	}
	return rows, err
}
