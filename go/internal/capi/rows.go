//go:build rustembeddings && cgo

package capi

// What a store finds: rows by what they are, by what they mean, and in numbers.

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Get is qntx_embed_store_get; where there is no row, the error's code is NotFound.
func (s *Store) Get(id string) (Row, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var rows *C.qntx_embed_rows
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_get(store, lend(&pin, id), &rows, failed)
	})
	if err != nil {
		return Row{}, err
	}
	return takeRows(rows)[0], nil
}

// GetSource is qntx_embed_store_get_source; where there is no row, the error's code is NotFound.
func (s *Store) GetSource(sourceType, sourceID, fingerprint string) ([]Row, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var rows *C.qntx_embed_rows
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_get_source(store, lend(&pin, sourceType), lend(&pin, sourceID),
			lend(&pin, fingerprint), &rows, failed)
	})
	if err != nil {
		return nil, err
	}
	return takeRows(rows), nil
}

// List is qntx_embed_store_list.
func (s *Store) List(options ListOptions) ([]Row, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_list_options{
		size:            C.sizeof_qntx_embed_list_options,
		fingerprint:     lend(&pin, options.Fingerprint),
		filter:          lend(&pin, options.Filter),
		after_id:        lend(&pin, options.AfterID),
		limit:           C.size_t(options.Limit),
		without_vectors: flag(options.WithoutVectors),
	}
	var rows *C.qntx_embed_rows
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_list(store, &native, &rows, failed)
	})
	if err != nil {
		return nil, err
	}
	return takeRows(rows), nil
}

// Count is qntx_embed_store_count.
func (s *Store) Count(fingerprint, filter string) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var count C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_count(store, lend(&pin, fingerprint), lend(&pin, filter), &count, failed)
	})
	return int(count), err
}

// Search is qntx_embed_store_search, with qntx_embed_rows_explain; there may be no query.
func (s *Store) Search(query []float32, options SearchOptions) (found []Row, explain string, err error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_search_options{
		size:            C.sizeof_qntx_embed_search_options,
		fingerprint:     lend(&pin, options.Fingerprint),
		filter:          lend(&pin, options.Filter),
		words:           lend(&pin, options.Words),
		like:            lend(&pin, options.Like),
		after_id:        lend(&pin, options.AfterID),
		after_distance:  C.float(options.AfterDistance),
		limit:           C.size_t(options.Limit),
		candidates:      C.size_t(options.Candidates),
		depth:           C.size_t(options.Depth),
		threshold:       C.float(options.Threshold),
		diversity:       C.float(options.Diversity),
		vector_weight:   C.float(options.VectorWeight),
		words_weight:    C.float(options.WordsWeight),
		rank_constant:   C.float(options.RankConstant),
		group_by_source: flag(options.GroupBySource),
		without_vectors: flag(options.WithoutVectors),
	}
	var rows *C.qntx_embed_rows
	err = s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_search(store, floats(query), C.size_t(len(query)), &native, &rows, failed)
	})
	if err != nil {
		return nil, "", err
	}
	explain = C.GoString(C.qntx_embed_rows_explain(rows))
	return takeRows(rows), explain, nil
}

func flag(set bool) C.uint32_t {
	if set {
		return 1
	}
	return 0
}

// takeRows copies the library's rows and frees them; NULL has none.
func takeRows(rows *C.qntx_embed_rows) []Row {
	defer C.qntx_embed_rows_free(rows)
	var count C.size_t
	first := C.qntx_embed_rows_get(rows, &count)
	taken := make([]Row, int(count))
	for i, row := range unsafe.Slice(first, int(count)) {
		taken[i] = Row{
			Record: Record{
				ID:          take(row.id),
				SourceType:  take(row.source_type),
				SourceID:    take(row.source_id),
				Chunk:       int(row.chunk),
				ChunkStart:  int(row.chunk_start),
				ChunkEnd:    int(row.chunk_end),
				Text:        take(row.text),
				Model:       take(row.model),
				Fingerprint: take(row.fingerprint),
				Metadata:    take(row.metadata),
			},
			Dimensions: int(row.dimensions),
			CreatedAt:  take(row.created_at),
			UpdatedAt:  take(row.updated_at),
			Similarity: float32(row.similarity),
			Distance:   float32(row.distance),
			Score:      float32(row.score),
			VectorRank: int(row.vector_rank),
			WordsRank:  int(row.words_rank),
		}
		if row.vector != nil { // left out where the options say so, but dimensions are not
			vector := unsafe.Slice((*float32)(unsafe.Pointer(row.vector)), int(row.dimensions))
			taken[i].Vector = append([]float32(nil), vector...)
		}
	}
	return taken
}
