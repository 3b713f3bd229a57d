// Package server answers semantic searches and embedding requests over HTTP.
//
//	GET  /api/search/semantic?q=&limit=&threshold=
//	                                and optionally mode, filter, like (in place of q), group, diversity, candidates,
//	                                vector_weight, words_weight, rank_constant, depth, after, details, explain
//	POST /api/embeddings/generate   {"text"}, and optionally "prompt_name" or "prompt", "dimensions", and
//	                                "truncate": "default", "right", "left" or "error"
//	POST /api/embeddings/batch      {"items": [{"source_type", "source_id", "text", "metadata"}]}, where metadata may be
//	                                left out, or {"attestation_ids": [...]}
//
// docs/search.md says what the parameters of a search mean.
//
// Queries are embedded with the model's prompt named "query" and what is stored with that named "document"; they are empty
// where the model directory does not say.
//
// [New] makes an http.Handler of an [embeddings.EmbeddingService] and an [embeddings.Store]; a host mounts it into its
// own mux and middleware:
//
//	mux.Handle("/api/search/semantic", handler)
//	mux.Handle("/api/embeddings/", handler)
//
// Requests are read strictly: an unknown or repeated parameter or field, a wrong type, anything out of range is an
// error, never a default. Errors are application/problem+json (RFC 9457), with a detail that names the parameter, what
// was found and what was expected.
//
// In a build without the tag rustembeddings every route answers 503, "compile with -tags=rustembeddings".
package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

const (
	// MaxBodyBytes is how large a request's body may be; more is a 413.
	MaxBodyBytes = 2_000_000
	// MaxBatchItems is how many items or ids one batch request may have; more is a 413.
	MaxBatchItems = 1_000
	// MaxLimit is the largest limit of a search over HTTP.
	MaxLimit = wire.MaxLimit
	// DefaultLimit is the limit of a search that gives none.
	DefaultLimit = wire.DefaultLimit
	// DefaultThreshold is the least cosine of a search that gives none.
	DefaultThreshold = wire.DefaultThreshold
)

// Config is what a server is made of.
type Config struct {
	// Service embeds. Needed.
	Service embeddings.EmbeddingService
	// Store keeps and searches. Where it is nil, searches and batches answer 503.
	Store embeddings.Store
	// Attestations resolves attestation_ids. Where it is nil, they are refused with a 400.
	Attestations AttestationSource
	// Logger gets a line for each request, and the reasons of 5xx answers. No text of a user is logged. Where it is
	// nil, nothing is.
	Logger *slog.Logger
}

type server struct {
	service      embeddings.EmbeddingService
	store        embeddings.Store
	attestations AttestationSource
	log          *slog.Logger
}

// New makes a handler for the package's routes. It may be used by any number of goroutines at once and closes nothing:
// the service and the store stay the caller's.
func New(config Config) http.Handler {
	if config.Service == nil {
		panic("server.New: Config.Service is nil")
	}
	s := &server{config.Service, config.Store, config.Attestations, config.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	for path, route := range map[string]struct {
		method, allow string
		answer        func(r *http.Request, model *embeddings.ModelInfo) (any, error)
	}{
		"/api/search/semantic":     {http.MethodGet, "GET, HEAD", s.search},
		"/api/embeddings/generate": {http.MethodPost, "POST", s.generate},
		"/api/embeddings/batch":    {http.MethodPost, "POST", s.batch},
	} {
		mux.Handle(route.method+" "+path, s.handler(route.answer))
		mux.Handle(path, s.refuse(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Allow", route.allow)
			return &problem{http.StatusMethodNotAllowed, "method-not-allowed",
				"method " + r.Method + "; expected " + route.allow}
		}))
	}
	mux.Handle("/", s.refuse(func(_ http.ResponseWriter, r *http.Request) error {
		return &problem{http.StatusNotFound, "not-found", "there is nothing at " + r.URL.Path}
	}))
	return s.logged(mux)
}

// handler runs one route: what answer gives is sent as JSON.
func (s *server) handler(answer func(*http.Request, *embeddings.ModelInfo) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBodyBytes)
		// Asked first: without a model a request is a 503, whatever is in it.
		model, err := s.service.ModelInfo(r.Context())
		if err != nil {
			s.sendError(w, r, fmt.Errorf("%w: %w", errUnavailable, err))
			return
		}
		body, err := answer(r, model)
		if err != nil {
			s.sendError(w, r, err)
			return
		}
		s.send(w, r, http.StatusOK, "application/json", body)
	})
}

func (s *server) refuse(reason func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.sendError(w, r, reason(w, r))
	})
}

// logged writes a line for each request: its path, but not its query, which has a user's text in it.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		s.log.InfoContext(r.Context(), "request",
			"method", r.Method,
			"path", r.URL.Path,
			"status", recorder.status,
			"bytes", recorder.bytes,
			"ms", milliseconds(time.Since(start)))
	})
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
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
