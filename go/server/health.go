package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Health answers /livez, /healthz and /readyz.
type Health struct {
	Status string `json:"status"` // "alive" or "ready"
}

// live answers that the process does.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	if err := readQuery(r, nil); err != nil {
		s.sendError(w, r, err)
		return
	}
	s.send(w, r, http.StatusOK, "application/json", &Health{"alive"})
}

// ready answers whether a text can be embedded and the store read, by doing it.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	err := readQuery(r, nil)
	if err == nil {
		err = s.readiness.check(func() error { return s.tryAll(context.WithoutCancel(r.Context())) })
	}
	if err != nil {
		s.sendError(w, r, err)
		return
	}
	s.send(w, r, http.StatusOK, "application/json", &Health{"ready"})
}

var errNoAnswer = &problem{http.StatusServiceUnavailable, "not-available", "the store is not available; " + inTheLog}

// readiness remembers for a second: whoever asks need not be anybody, and must not cost much.
type readiness struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

func (r *readiness) check(try func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) > time.Second {
		r.err, r.at = try(), time.Now()
	}
	return r.err
}

func (s *server) tryAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errTimeout)
	defer cancel()
	if _, err := s.config.Service.Embed(ctx, "ready?"); err != nil {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if s.store != nil {
		if _, err := s.store.Count(ctx, embeddings.Selection{}); err != nil {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
	}
	return nil
}
