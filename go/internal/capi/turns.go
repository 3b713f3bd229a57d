//go:build rustembeddings && cgo

package capi

import "context"

// turns are taken by calls while they are in the library. A call there keeps a thread of the system, of which Go's runtime
// ends a process that has more than 10,000 (runtime/debug.SetMaxThreads); while it waits for its turn it is a goroutine and no more.
// That many are more than enough for full batches, and memory for their threads is some 50 MB.
var turns = make(chan struct{}, 1024)

// takeTurn waits for one, or until ctx is done; leaveTurn gives it back.
func takeTurn(ctx context.Context) error {
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Error{Code: Cancelled, Message: "the call was cancelled"}
	}
}

func leaveTurn() { <-turns }
