//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Split is qntx_embed_model_split.
func (m *Model) Split(text string, options SplitOptions) ([]Chunk, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	arguments := C.qntx_embed_split_options{
		size:        C.sizeof_qntx_embed_split_options,
		prompt:      lend(&pin, options.Prompt),
		max_tokens:  C.size_t(options.MaxTokens),
		overlap:     C.size_t(options.Overlap),
		prompt_kind: C.uint32_t(options.PromptKind),
	}
	var object *C.qntx_embed_chunks
	err := m.call(func(model *C.qntx_embed_model, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_split(model, lend(&pin, text), &arguments, &object, failed)
	})
	if err != nil {
		return nil, err
	}
	defer C.qntx_embed_chunks_free(object)
	var count C.size_t
	first := C.qntx_embed_chunks_get(object, &count)
	chunks := make([]Chunk, int(count))
	for i, chunk := range unsafe.Slice(first, int(count)) {
		chunks[i] = Chunk{
			ByteStart:  int(chunk.byte_start),
			ByteEnd:    int(chunk.byte_end),
			ChunkStart: int(chunk.chunk_start),
			ChunkEnd:   int(chunk.chunk_end),
			Tokens:     int(chunk.tokens),
		}
	}
	return chunks, nil
}

// PutSources is qntx_embed_store_put_sources: all records or none, in one call.
func (s *Store) PutSources(records []Record) (outcomes []Outcome, deleted int, err error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := lendRecords(&pin, records)
	native := make([]C.uint32_t, len(records))
	var gone C.size_t
	err = s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_put_sources(store, unsafe.SliceData(lent), C.size_t(len(lent)),
			unsafe.SliceData(native), &gone, failed)
	})
	if err != nil {
		return nil, 0, err
	}
	outcomes = make([]Outcome, len(native))
	for i, outcome := range native {
		outcomes[i] = Outcome(outcome)
	}
	return outcomes, int(gone), nil
}

// Reindex is qntx_embed_store_reindex, ended when ctx is done.
func (s *Store) Reindex(ctx context.Context, model *Model, options ReindexOptions) (ReindexReport, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	ctx, progress := newProgress(ctx, options.Progress)
	defer progress.end()
	cancel, done, err := watch(ctx)
	if err != nil {
		return ReindexReport{}, err
	}
	defer done()
	arguments := C.qntx_embed_reindex_options{
		size:        C.sizeof_qntx_embed_reindex_options,
		prompt:      lend(&pin, options.Prompt),
		cancel:      cancel,
		dimensions:  C.size_t(options.Dimensions),
		prompt_kind: C.uint32_t(options.PromptKind),
	}
	if options.KeepOld {
		arguments.keep_old = 1
	}
	arguments.progress, arguments.progress_context = progress.lend(&pin)
	report := C.qntx_embed_reindex_report{size: C.sizeof_qntx_embed_reindex_report}
	err = s.use(ctx, func(store *C.qntx_embed_store) error {
		return model.keep(func(model *C.qntx_embed_model) error {
			return call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
				return C.qntx_embed_store_reindex(store, model, &arguments, &report, failed)
			})
		})
	})
	return ReindexReport{
		Embedded:  int(report.embedded),
		Truncated: int(report.truncated),
		Deleted:   int(report.deleted),
	}, err
}
