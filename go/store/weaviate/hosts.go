package weaviate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hosts sends each request to one node, and to the next one where that does not answer. All that this package asks for
// may be asked for twice: rows have ids that follow from what they are, and what is deleted is deleted.
type hosts struct {
	base    http.RoundTripper
	names   []string
	attempt time.Duration // for one node's answer, its body too

	mu      sync.Mutex
	current int         // the node that answered last
	until   []time.Time // when a node that did not answer is asked again
	failed  []int       // how often in a row it did not
}

// How long a node that did not answer is passed over: twice as long each time, up to the second.
const (
	firstRest = 500 * time.Millisecond
	lastRest  = 15 * time.Second
)

func newHosts(base http.RoundTripper, names []string, attempt time.Duration) *hosts {
	return &hosts{base: base, names: names, attempt: attempt, until: make([]time.Time, len(names)), failed: make([]int, len(names))}
}

// RoundTrip asks each node once, those last that did not answer just now.
func (h *hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	var failures []error
	for _, i := range h.order(time.Now()) {
		response, err := h.ask(req, i)
		if req.Context().Err() != nil { // the caller's own end is no node's fault
			if response != nil {
				response.Body.Close()
			}
			return nil, req.Context().Err()
		}
		if err == nil && response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusBadGateway {
			h.answered(i)
			return response, nil
		}
		if err == nil {
			err = fmt.Errorf("status %s", response.Status)
			response.Body.Close()
		}
		h.rests(i, time.Now())
		failures = append(failures, fmt.Errorf("%s: %w", h.names[i], err))
	}
	return nil, &unreachable{errors.Join(failures...)}
}

// unreachable is that no node has answered.
type unreachable struct{ failures error }

func (e *unreachable) Error() string { return strings.ReplaceAll(e.failures.Error(), "\n", "; ") }
func (e *unreachable) Unwrap() error { return e.failures }

// ask sends the request to one node and reads its whole answer.
func (h *hosts) ask(req *http.Request, i int) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), h.attempt, fmt.Errorf("no answer within %v", h.attempt))
	defer cancel()
	sent := req.Clone(ctx)
	sent.URL.Host, sent.Host = h.names[i], h.names[i]
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		sent.Body = body
	}
	response, err := h.base.RoundTrip(sent)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// order is the nodes in the order in which they are asked: the one that answered last, those after it, and those that
// rest.
func (h *hosts) order(now time.Time) []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ready, resting []int
	for n := range h.names {
		i := (h.current + n) % len(h.names)
		if now.Before(h.until[i]) {
			resting = append(resting, i)
		} else {
			ready = append(ready, i)
		}
	}
	return append(ready, resting...)
}

func (h *hosts) answered(i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.failed[i], h.until[i] = i, 0, time.Time{}
}

func (h *hosts) rests(i int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rest := firstRest << min(h.failed[i], 10)
	h.failed[i]++
	h.until[i] = now.Add(min(rest, lastRest))
}
