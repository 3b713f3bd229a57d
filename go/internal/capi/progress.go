//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"

void qntx_embed_go_progress(void *context, size_t done, size_t total);
*/
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// progress leads from a call of the library back to a function of Go's. nil is none.
type progress struct {
	report   func(done, total int)
	stop     context.CancelFunc
	handle   *cgo.Handle // of this object: C is lent a pointer to the handle's number, and to nothing else of Go's
	panicked any         // what report panicked with
}

// newProgress gives the context to make the call with, too; the caller ends it after the call.
func newProgress(ctx context.Context, report func(done, total int)) (context.Context, *progress) {
	if report == nil {
		return ctx, nil
	}
	p := &progress{report: report, handle: new(cgo.Handle)}
	ctx, p.stop = context.WithCancel(ctx)
	*p.handle = cgo.NewHandle(p)
	return ctx, p
}

// lend gives what makes it the progress of a call, until pin is unpinned: a function and its context.
func (p *progress) lend(pin *runtime.Pinner) (*[0]byte, unsafe.Pointer) {
	if p == nil {
		return nil, nil
	}
	pin.Pin(p.handle)
	return (*[0]byte)(C.qntx_embed_go_progress), unsafe.Pointer(p.handle)
}

//export qntx_embed_go_progress
func qntx_embed_go_progress(handle unsafe.Pointer, done, total C.size_t) {
	p := (*cgo.Handle)(handle).Value().(*progress)
	if p.panicked != nil {
		return
	}
	// A panic must not unwind the library's frames, which would keep their locks: the call is ended, and end goes on
	// with it.
	defer func() {
		if p.panicked = recover(); p.panicked != nil {
			p.stop()
		}
	}()
	p.report(int(done), int(total))
}

// end is called when the library has returned.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.stop()
	p.handle.Delete()
	if p.panicked != nil {
		panic(p.panicked)
	}
}
