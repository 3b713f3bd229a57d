//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Store is a qntx_embed_store.
type Store struct {
	handle[*C.qntx_embed_store]
}

// OpenStore is qntx_embed_store_open.
func OpenStore(path string, options StoreOptions) (*Store, error) {
	if err := abi(); err != nil {
		return nil, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_store_options{
		size:               C.sizeof_qntx_embed_store_options,
		max_resident_bytes: C.size_t(options.MaxResidentBytes),
	}
	var object *C.qntx_embed_store
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_open(lend(&pin, path), &native, &object, failed)
	})
	if err != nil {
		return nil, err
	}
	s := new(Store)
	s.hold(object, func(object *C.qntx_embed_store) { C.qntx_embed_store_free(object) })
	return s, nil
}

// Put is qntx_embed_store_put: all records or none, in one call.
func (s *Store) Put(records []Record) ([]Outcome, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := make([]C.qntx_embed_record, len(records))
	for i, r := range records {
		lent[i] = C.qntx_embed_record{
			size:        C.sizeof_qntx_embed_record,
			source_type: lend(&pin, r.SourceType),
			source_id:   lend(&pin, r.SourceID),
			text:        lend(&pin, r.Text),
			model:       lend(&pin, r.Model),
			fingerprint: lend(&pin, r.Fingerprint),
		}
		if len(r.Vector) > 0 {
			pin.Pin(unsafe.SliceData(r.Vector))
			lent[i].vector = floats(r.Vector)
			lent[i].dimensions = C.size_t(len(r.Vector))
		}
	}
	native := make([]C.uint32_t, len(records))
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_put(store, unsafe.SliceData(lent), C.size_t(len(lent)),
			unsafe.SliceData(native), failed)
	})
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(native))
	for i, outcome := range native {
		outcomes[i] = Outcome(outcome)
	}
	return outcomes, nil
}

// Get is qntx_embed_store_get_source, of one model and the source's first chunk; where there is no row, the error's code is NotFound.
func (s *Store) Get(sourceType, sourceID, fingerprint string) (Row, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var rows *C.qntx_embed_rows
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_get_source(store, lend(&pin, sourceType), lend(&pin, sourceID),
			lend(&pin, fingerprint), &rows, failed)
	})
	if err != nil {
		return Row{}, err
	}
	return takeRows(rows)[0], nil
}

// Delete is qntx_embed_store_delete_source; it gives how many rows there were.
func (s *Store) Delete(sourceType, sourceID string) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var deleted C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_delete_source(store, lend(&pin, sourceType), lend(&pin, sourceID), &deleted, failed)
	})
	return int(deleted), err
}

// Count is qntx_embed_store_count, of all rows.
func (s *Store) Count() (int, error) {
	var count C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_count(store, C.qntx_embed_str{}, C.qntx_embed_str{}, &count, failed)
	})
	return int(count), err
}

// Search is qntx_embed_store_search.
func (s *Store) Search(query []float32, options SearchOptions) ([]Row, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_search_options{
		size:        C.sizeof_qntx_embed_search_options,
		fingerprint: lend(&pin, options.Fingerprint),
		limit:       C.size_t(options.Limit),
		threshold:   C.float(options.Threshold),
	}
	var rows *C.qntx_embed_rows
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_search(store, floats(query), C.size_t(len(query)), &native, &rows, failed)
	})
	if err != nil {
		return nil, err
	}
	return takeRows(rows), nil
}

// takeRows copies the library's rows and frees them; NULL has none.
func takeRows(rows *C.qntx_embed_rows) []Row {
	defer C.qntx_embed_rows_free(rows)
	var count C.size_t
	first := C.qntx_embed_rows_get(rows, &count)
	taken := make([]Row, int(count))
	for i, row := range unsafe.Slice(first, int(count)) {
		vector := unsafe.Slice((*float32)(unsafe.Pointer(row.vector)), int(row.dimensions))
		taken[i] = Row{
			ID:          take(row.id),
			SourceType:  take(row.source_type),
			SourceID:    take(row.source_id),
			Text:        take(row.text),
			Model:       take(row.model),
			Fingerprint: take(row.fingerprint),
			CreatedAt:   take(row.created_at),
			UpdatedAt:   take(row.updated_at),
			Vector:      append([]float32(nil), vector...),
			Similarity:  float32(row.similarity),
			Distance:    float32(row.distance),
		}
	}
	return taken
}
