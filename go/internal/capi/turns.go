//go:build rustembeddings && cgo

package capi

import "context"

// turns are taken by calls while they are in the library. A call there keeps a thread of the system, of which Go's runtime
// ends a process that has more than 10,000 (runtime/debug.SetMaxThreads); while it waits for its turn it is a goroutine and no more.
// Calls of Embed that are started, and told of, take none (completions.go).
var turns = make(chan struct{}, 1024)

// takeTurn waits for one, or until ctx is done; leaveTurn gives it back.
func takeTurn(ctx context.Context) error {
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errCancelled
	}
}

// errCancelled is for a call that is ended here, as the library says it of those that it ends.
var errCancelled = &Error{Code: Cancelled, Message: "the call was cancelled"}

func leaveTurn() { <-turns }
