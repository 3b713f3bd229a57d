//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"runtime"
	"sync"
)

// handle holds a pointer to an object of the library until it is closed.
type handle[P any] struct {
	mu      sync.RWMutex
	open    bool
	object  P
	free    func(P)
	cleanup runtime.Cleanup
}

// hold takes over an object. h must not move afterwards.
func (h *handle[P]) hold(object P, free func(P)) {
	made(object)
	// It must not reach h, or the cleanup would keep alive what it waits for.
	forget := func(object P) {
		freed(object)
		free(object)
	}
	h.open, h.object, h.free = true, object, forget
	h.cleanup = runtime.AddCleanup(h, forget, object)
}

// call makes one call of the library with the object, which stays valid until the call returns.
func (h *handle[P]) call(f func(object P, failed **C.qntx_embed_error) C.qntx_embed_status) error {
	return h.callUntil(context.Background(), f)
}

// callUntil is call for one that may wait for its turn until ctx is done.
func (h *handle[P]) callUntil(ctx context.Context, f func(object P, failed **C.qntx_embed_error) C.qntx_embed_status) error {
	return h.use(ctx, func(object P) error {
		return call(func(failed **C.qntx_embed_error) C.qntx_embed_status { return f(object, failed) })
	})
}

// use is keep in the call's turn.
func (h *handle[P]) use(ctx context.Context, f func(object P) error) error {
	if err := takeTurn(ctx); err != nil {
		return err
	}
	defer leaveTurn()
	return h.keep(f)
}

// keep keeps the object valid until f returns: Close waits for the lock, and the deferred unlock keeps h reachable, so that
// its cleanup cannot run either.
func (h *handle[P]) keep(f func(object P) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.open {
		return ErrClosed
	}
	beforeEachCall()
	return f(h.object)
}

// Close frees the object when no call uses it any more. A second Close does nothing. The error is always nil.
func (h *handle[P]) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		h.cleanup.Stop()
		h.free(h.object)
		h.open = false
	}
	return nil
}
