package embeddings

import (
	"context"
	"iter"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Selection is which rows are meant; the zero one is all.
type Selection struct {
	// Fingerprint selects rows of this model; empty for those of all.
	Fingerprint string
	// Filter selects rows that pass it; the zero Filter is all.
	Filter Filter
}

// ListOptions says which rows to list.
type ListOptions struct {
	// Selection is which rows are meant.
	Selection
	// After is an id: only rows that come after it are given. Empty for all.
	After string
	// Limit is how many rows are given at most; 0 for all.
	Limit int
	// WithoutVectors leaves Vector of the rows nil, which saves reading and copying them.
	WithoutVectors bool
}

// pageRows is how many rows of a list are in memory at once.
const pageRows = 256

// Get gives the row of an id; ErrNotFound where there is none.
func (s *EmbeddingStore) Get(ctx context.Context, id string) (*Embedding, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	row, err := s.native.Get(id)
	if err != nil {
		return nil, public(err)
	}
	return stored(row)
}

// GetBySource gives all chunks of a source, in their order: of the model of this fingerprint or, where it is empty, of
// all. ErrNotFound where there is none.
func (s *EmbeddingStore) GetBySource(ctx context.Context, sourceType, sourceID, fingerprint string) ([]Embedding, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	rows, err := s.native.GetSource(sourceType, sourceID, fingerprint)
	if err != nil {
		return nil, public(err)
	}
	found := make([]Embedding, len(rows))
	for i, row := range rows {
		embedding, err := stored(row)
		if err != nil {
			return nil, err
		}
		found[i] = *embedding
	}
	return found, nil
}

// List gives rows in the order of their ids, which is that in which they were first stored where Put made the ids.
//
//	for row, err := range store.List(ctx, embeddings.ListOptions{}) {
//		if err != nil {
//			return err
//		}
//		...
//	}
//
// Rows are read in pages of 256, so that any number of them needs little memory, and nothing is held open between two
// pages: the loop may write to the store, and a list of every row may be left and taken up again with After. A row that is
// written meanwhile is given or not. An error is the last that is given.
func (s *EmbeddingStore) List(ctx context.Context, options ListOptions) iter.Seq2[*Embedding, error] {
	return func(yield func(*Embedding, error) bool) {
		filter, err := options.Filter.native()
		if err == nil && options.Limit < 0 {
			err = invalid("Limit is %d; expected 0 (all) or more", options.Limit)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		page := capi.ListOptions{
			Fingerprint:    options.Fingerprint,
			Filter:         filter,
			AfterID:        options.After,
			WithoutVectors: options.WithoutVectors,
		}
		for given := 0; ; given += page.Limit {
			page.Limit = pageRows
			if options.Limit > 0 {
				page.Limit = min(options.Limit-given, pageRows)
			}
			if page.Limit == 0 {
				return
			}
			if err := cancelled(ctx); err != nil {
				yield(nil, err)
				return
			}
			rows, err := s.native.List(page)
			if err != nil {
				yield(nil, public(err))
				return
			}
			for _, row := range rows {
				embedding, err := stored(row)
				if !yield(embedding, err) || err != nil {
					return
				}
				page.AfterID = row.ID
			}
			if len(rows) < page.Limit {
				return
			}
		}
	}
}

// Count is how many rows are selected; Selection{} is all.
func (s *EmbeddingStore) Count(ctx context.Context, selection Selection) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	filter, err := selection.Filter.native()
	if err != nil {
		return 0, err
	}
	count, err := s.native.Count(selection.Fingerprint, filter)
	return count, public(err)
}
