//go:build !(rustembeddings && cgo)

package capi

import "context"

// Split gives ErrNotCompiled.
func (*Model) Split(string, SplitOptions) ([]Chunk, error) { return nil, ErrNotCompiled }

// PutSources gives ErrNotCompiled.
func (*Store) PutSources([]Record) ([]Outcome, int, error) { return nil, 0, ErrNotCompiled }

// Reindex gives ErrNotCompiled.
func (*Store) Reindex(context.Context, *Model, ReindexOptions) (ReindexReport, error) {
	return ReindexReport{}, ErrNotCompiled
}
