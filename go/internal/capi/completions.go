//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// completions wake the goroutines whose calls of Embed are over. A goroutine that waits in C keeps a thread of the system, and
// Go's monitor at work to take its processor from it; one that waits here is a goroutine and no more.
type completions struct {
	queue *C.qntx_embed_completions
	file  *os.File // readable while there is something in the queue

	mu      sync.Mutex
	last    C.uint64_t
	waiting map[C.uint64_t]chan struct{}
	broken  bool
}

// theCompletions are the process's, for all models; they are never freed.
var theCompletions = sync.OnceValues(newCompletions)

func newCompletions() (*completions, error) {
	c := &completions{waiting: map[C.uint64_t]chan struct{}{}}
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_completions_new(&c.queue, failed)
	})
	if err != nil {
		return nil, err
	}
	// A descriptor of its own, because that of the queue is not ours to close.
	descriptor, err := duplicate(int(C.qntx_embed_completions_descriptor(c.queue)))
	if err != nil {
		C.qntx_embed_completions_free(c.queue)
		return nil, &Error{Code: IO, Message: "the queue of calls that are over has no descriptor: " + err.Error()}
	}
	c.file = os.NewFile(uintptr(descriptor), "qntx_embed_completions")
	go c.run()
	return c, nil
}

// duplicate gives a descriptor that Go's runtime can wait for, and that is closed in programs that are started.
func duplicate(descriptor int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	descriptor, err := syscall.Dup(descriptor)
	if err != nil {
		return 0, err
	}
	syscall.CloseOnExec(descriptor)
	return descriptor, syscall.SetNonblock(descriptor, true)
}

// expect gives the tag to start a call with, and what is closed when it is over.
func (c *completions) expect() (C.uint64_t, <-chan struct{}) {
	over := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		close(over)
		return 0, over
	}
	c.last++
	c.waiting[c.last] = over
	return c.last, over
}

// forget is for a call that was not started, or is not waited for any more.
func (c *completions) forget(tag C.uint64_t) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, tag)
}

func (c *completions) run() {
	connection, err := c.file.SyscallConn()
	for err == nil {
		var tags [256]C.uint64_t
		// It is run again whenever the descriptor has become readable, until it says that it is done.
		err = connection.Read(func(uintptr) bool {
			count := C.qntx_embed_completions_take(c.queue, &tags[0], C.size_t(len(tags)))
			c.tell(tags[:count])
			return count > 0
		})
	}
	c.end()
}

func (c *completions) tell(tags []C.uint64_t) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range tags {
		if over, ok := c.waiting[tag]; ok {
			close(over)
			delete(c.waiting, tag)
		}
	}
}

// end is where nothing can be waited for any more: calls then wait in C, as they may.
func (c *completions) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
	for _, over := range c.waiting {
		close(over)
	}
	clear(c.waiting)
}

// embedMeanwhile is qntx_embed_call_start and what follows it: no thread waits for the call. The arguments' pointers are used
// until it is started.
func (m *Model) embedMeanwhile(ctx context.Context, texts []C.qntx_embed_str, arguments *C.qntx_embed_embed_options,
	vectors []float32, infos []C.qntx_embed_text_info) error {
	c, err := theCompletions()
	if err != nil {
		return err
	}
	return m.keep(func(model *C.qntx_embed_model) error {
		tag, over := c.expect()
		var started *C.qntx_embed_call
		err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
			return C.qntx_embed_call_start(model, unsafe.SliceData(texts), C.size_t(len(texts)), arguments, c.queue, tag,
				&started, failed)
		})
		if err != nil {
			c.forget(tag)
			return err
		}
		made(started)
		defer func() {
			freed(started)
			C.qntx_embed_call_free(started)
		}()
		select {
		case <-over:
		case <-ctx.Done():
			c.forget(tag)
			return errCancelled
		}
		return call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
			return C.qntx_embed_call_wait(started, floats(vectors), C.size_t(len(vectors)), unsafe.SliceData(infos), failed)
		})
	})
}
