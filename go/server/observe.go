package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// statusGone is what the log and the metrics have for a client that did not wait for its answer; nobody gets it.
const statusGone = 499

// observed gives each request its id, writes a line of the log and counts it when it is answered, and makes a panic a 500.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		call := newCall(r)
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, call))
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		w.Header().Set("X-Request-Id", call.id)
		defer func() {
			crash := recover()
			aborted := false
			if crash != nil {
				aborted = s.crashed(recorder, r, crash)
			}
			s.note(r, call, recorder, time.Since(start))
			if aborted {
				panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
			}
		}()
		next.ServeHTTP(recorder, r)
	})
}

// crashed answers for a handler that has panicked, or says that it is too late for that.
func (s *server) crashed(w *recorder, r *http.Request, crash any) (aborted bool) {
	if err, ok := crash.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	s.log.ErrorContext(r.Context(), "panic", "id", callOf(r.Context()).id, "path", r.URL.Path, "panic", fmt.Sprint(crash),
		"stack", string(debug.Stack()))
	if w.written {
		return true
	}
	s.sendError(w, r, errCrashed)
	return false
}

// note writes the line: the request's path, but not its query, which has a user's text in it.
func (s *server) note(r *http.Request, call *call, recorder *recorder, took time.Duration) {
	_, route, _ := strings.Cut(r.Pattern, "/")
	route = "/" + route
	if r.Pattern == "" || r.Pattern == "/" {
		route = "other" // a client can make up any path
	}
	s.metrics.answered(route, r.Method, recorder.status, took)
	line := []slog.Attr{
		slog.String("id", call.id),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", recorder.status),
		slog.Int("bytes", recorder.bytes),
		slog.Float64("ms", milliseconds(took)),
	}
	if call.key != nil {
		line = append(line, slog.String("key", call.key.Name))
	}
	if s.config.LogTexts && call.texts != nil {
		line = append(line, slog.Any("texts", call.texts))
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "request", line...)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status  int
	bytes   int
	written bool
}

func (r *recorder) WriteHeader(status int) {
	if status >= 200 { // the others come before the answer
		r.status, r.written = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	r.written = true
	n, err := r.ResponseWriter.Write(data)
	r.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// milliseconds with three digits after the point.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}
