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
	log, context, endLog := lendLog(options.Log)
	native.log, native.log_context = log, context
	var object *C.qntx_embed_store
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_open(lend(&pin, path), &native, &object, failed)
	})
	if err != nil {
		endLog()
		return nil, err
	}
	s := new(Store)
	s.hold(object, func(object *C.qntx_embed_store) {
		C.qntx_embed_store_free(object)
		endLog()
	})
	return s, nil
}

// lendRecords gives C a view of records, valid until pin is unpinned.
func lendRecords(pin *runtime.Pinner, records []Record) []C.qntx_embed_record {
	lent := make([]C.qntx_embed_record, len(records))
	for i, r := range records {
		lent[i] = C.qntx_embed_record{
			size:        C.sizeof_qntx_embed_record,
			id:          lend(pin, r.ID),
			source_type: lend(pin, r.SourceType),
			source_id:   lend(pin, r.SourceID),
			text:        lend(pin, r.Text),
			model:       lend(pin, r.Model),
			fingerprint: lend(pin, r.Fingerprint),
			metadata:    lend(pin, r.Metadata),
			chunk_start: C.uint64_t(r.ChunkStart),
			chunk_end:   C.uint64_t(r.ChunkEnd),
			chunk:       C.uint32_t(r.Chunk),
		}
		if len(r.Vector) > 0 {
			pin.Pin(unsafe.SliceData(r.Vector))
			lent[i].vector = floats(r.Vector)
			lent[i].dimensions = C.size_t(len(r.Vector))
		}
	}
	return lent
}

// Put is qntx_embed_store_put: all records or none, in one call.
func (s *Store) Put(records []Record) ([]Outcome, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := lendRecords(&pin, records)
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

// Has is qntx_embed_store_has, in one call.
func (s *Store) Has(records []Record) ([]bool, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := lendRecords(&pin, records)
	native := make([]C.uint8_t, len(records))
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_has(store, unsafe.SliceData(lent), C.size_t(len(lent)),
			unsafe.SliceData(native), failed)
	})
	if err != nil {
		return nil, err
	}
	has := make([]bool, len(native))
	for i, one := range native {
		has[i] = one != 0
	}
	return has, nil
}

// DeleteIDs is qntx_embed_store_delete_ids; it gives how many of them there were.
func (s *Store) DeleteIDs(ids []string) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := make([]C.qntx_embed_str, len(ids))
	for i, id := range ids {
		lent[i] = lend(&pin, id)
	}
	var deleted C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_delete_ids(store, unsafe.SliceData(lent), C.size_t(len(lent)), &deleted, failed)
	})
	return int(deleted), err
}

// DeleteSource is qntx_embed_store_delete_source; it gives how many rows there were.
func (s *Store) DeleteSource(sourceType, sourceID string) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var deleted C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_delete_source(store, lend(&pin, sourceType), lend(&pin, sourceID), &deleted, failed)
	})
	return int(deleted), err
}

// DeleteWhere is qntx_embed_store_delete_where; it gives how many rows there were.
func (s *Store) DeleteWhere(filter string) (int, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var deleted C.size_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_delete_where(store, lend(&pin, filter), &deleted, failed)
	})
	return int(deleted), err
}
