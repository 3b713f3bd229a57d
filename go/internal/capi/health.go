//go:build rustembeddings && cgo

package capi

// How a store is looked after.

/*
#include "qntx_embed.h"
*/
import "C"

import "runtime"

// Stats is qntx_embed_store_stats.
func (s *Store) Stats() (string, error) {
	return s.text(func(store *C.qntx_embed_store, text **C.qntx_embed_text, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_stats(store, text, failed)
	})
}

// Verify is qntx_embed_store_verify.
func (s *Store) Verify(repair bool) (string, error) {
	return s.text(func(store *C.qntx_embed_store, text **C.qntx_embed_text, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_verify(store, flag(repair), text, failed)
	})
}

func (s *Store) text(
	f func(*C.qntx_embed_store, **C.qntx_embed_text, **C.qntx_embed_error) C.qntx_embed_status) (string, error) {
	var text *C.qntx_embed_text
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return f(store, &text, failed)
	})
	if err != nil {
		return "", err
	}
	defer C.qntx_embed_text_free(text)
	return C.GoString(C.qntx_embed_text_get(text)), nil
}

// Backup is qntx_embed_store_backup.
func (s *Store) Backup(path string) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	return s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_backup(store, lend(&pin, path), failed)
	})
}

// Optimize is qntx_embed_store_optimize.
func (s *Store) Optimize() error {
	return s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_optimize(store, failed)
	})
}
