package server

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// admission lets a bounded number of requests in, and a bounded number wait. A request is let in whole or not at all.
type admission struct {
	places  chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newAdmission(limits Limits) *admission {
	return &admission{places: make(chan struct{}, limits.InFlight), queue: int64(limits.Queue)}
}

// enter waits for a place, which leave gives back.
func (a *admission) enter(ctx context.Context) error {
	select {
	case a.places <- struct{}{}:
		return nil
	default:
	}
	defer a.waiting.Add(-1)
	if a.waiting.Add(1) > a.queue {
		return &retryLater{time.Second, &problem{http.StatusTooManyRequests, "overloaded", fmt.Sprintf(
			"%d requests are being answered and %d wait, which is as many as this server takes", cap(a.places), a.queue)}}
	}
	select {
	case a.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", embeddings.ErrCancelled, context.Cause(ctx))
	}
}

func (a *admission) leave() { <-a.places }
