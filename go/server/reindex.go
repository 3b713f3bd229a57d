package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// ReindexProgress is the event "progress" of a move.
type ReindexProgress struct {
	// Done is how many rows of Total are embedded by the new model, those of earlier calls too.
	Done  int `json:"done"`
	Total int `json:"total"`
}

// ReindexDone is the event "done", the last of a move that was finished.
type ReindexDone struct {
	Embedded  int     `json:"embedded"`
	Truncated int     `json:"truncated"`
	Deleted   int     `json:"deleted"`
	TimeMS    float64 `json:"time_ms"`
}

type reindexFunc = func(ctx context.Context, options embeddings.ReindexOptions,
	progress func(done, total int)) (*embeddings.ReindexReport, error)

// ownReindex is that of this module's store; nil for another one.
func ownReindex(service embeddings.EmbeddingService, store embeddings.Store) reindexFunc {
	model, isModel := service.(*embeddings.ManagedEmbeddingService)
	rows, isStore := store.(*embeddings.EmbeddingStore)
	if !isModel || !isStore {
		return nil
	}
	return func(ctx context.Context, options embeddings.ReindexOptions,
		progress func(done, total int)) (*embeddings.ReindexReport, error) {
		return rows.Reindex(ctx, model, options, embeddings.WithProgress(progress))
	}
}

// quiet is how long a move may say nothing: proxies between take a longer silence for the end.
const quiet = 15 * time.Second

// serveReindex answers POST /api/embeddings/reindex. It takes no place of those that requests have, because it takes as long as
// embedding everything. A client that hangs up ends it, as any other request; what is done is kept.
func (s *server) serveReindex(w http.ResponseWriter, r *http.Request) {
	options, err := s.readReindex(w, r)
	if err == nil && !s.reindexing.CompareAndSwap(false, true) {
		err = &problem{http.StatusConflict, "already-running", "the store is being reindexed; one call at a time does that"}
	}
	if err != nil {
		s.sendError(w, r, err)
		return
	}
	defer s.reindexing.Store(false)
	id := callOf(r.Context()).id
	s.log.InfoContext(r.Context(), "reindexing", "id", id, "keep_old", options.KeepOld)
	start := time.Now()
	events := newEvents(w, s.limits.BodyTime)
	report, err := s.runReindex(r.Context(), events, options)
	if err != nil {
		// A client that has gone needs none.
		_ = events.send("error", s.lateProblem(r.Context(), "reindexing has not come to its end; another call goes on", err))
		return
	}
	_ = events.send("done", &ReindexDone{report.Embedded, report.Truncated, report.Deleted, milliseconds(time.Since(start))})
	s.log.InfoContext(r.Context(), "reindexed", "id", id, "embedded", report.Embedded, "truncated", report.Truncated,
		"deleted", report.Deleted, "ms", milliseconds(time.Since(start)))
}

func (s *server) readReindex(w http.ResponseWriter, r *http.Request) (options embeddings.ReindexOptions, err error) {
	if _, err := s.config.Service.ModelInfo(r.Context()); err != nil {
		return options, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	s.bound(w, r)
	if r.ContentLength == 0 { // all of it may be left out
		err = readQuery(r, nil)
	} else {
		err = readBody(r, wire.Fields{"keep_old": func(value json.RawMessage) (err error) {
			options.KeepOld, err = wire.Boolean("keep_old", value)
			return err
		}})
	}
	switch {
	case err != nil:
		return options, err
	case s.store == nil:
		return options, errNoStore
	case s.reindex == nil:
		return options, fmt.Errorf("this server's store is not moved to another model over HTTP (%w)", errors.ErrUnsupported)
	}
	return options, nil
}

// runReindex does it, and sends how far it has come. It does not wait for a client that reads slowly: that one gets fewer events.
func (s *server) runReindex(ctx context.Context, events *events, options embeddings.ReindexOptions) (*embeddings.ReindexReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	latest := make(chan ReindexProgress, 1)
	var report *embeddings.ReindexReport
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if crash := recover(); crash != nil { // net/http does not see this goroutine's
				err = fmt.Errorf("panic: %v", crash)
			}
			ended <- err
		}()
		report, err = s.reindex(ctx, options, func(done, total int) {
			select {
			case <-latest: // nobody has taken it
			default:
			}
			latest <- ReindexProgress{done, total}
		})
	}()
	alive := time.NewTicker(quiet)
	defer alive.Stop()
	failed := events.begin()
	for {
		if failed != nil {
			cancel()
			if err := <-ended; err != nil {
				return nil, err
			}
			return report, nil
		}
		select {
		case progress := <-latest:
			failed = events.send("progress", &progress)
		case <-alive.C:
			failed = events.keepAlive()
		case err := <-ended:
			select {
			case progress := <-latest: // the end has overtaken it
				_ = events.send("progress", &progress)
			default:
			}
			return report, err
		}
	}
}

// events are server-sent ones, each of which has its time to be taken.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	time    time.Duration
}

func newEvents(w http.ResponseWriter, time time.Duration) *events {
	return &events{w, http.NewResponseController(w), time}
}

// begin lets the client know that it has begun.
func (e *events) begin() error {
	header := e.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events until it has many
	header.Set("X-Content-Type-Options", "nosniff")
	e.w.WriteHeader(http.StatusOK)
	return e.keepAlive()
}

// send writes an event; JSON has no line end in it.
func (e *events) send(name string, data any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return err
	}
	return e.write(fmt.Sprintf("event: %s\ndata: %s\n", name, &line)) // Encode has ended the line
}

// keepAlive writes a comment.
func (e *events) keepAlive() error { return e.write(":\n\n") }

func (e *events) write(text string) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(e.time)) // where it cannot be set, the host's hold
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := e.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
