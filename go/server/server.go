// Package server answers semantic searches and embedding requests over HTTP.
//
//	GET  /api/search/semantic?q=&limit=&threshold=
//	                                and optionally mode, filter, like (in place of q), group, diversity, candidates,
//	                                vector_weight, words_weight, rank_constant, depth, after, details, explain
//	POST /api/embeddings/generate   {"text"}, and optionally "prompt_name" or "prompt", "dimensions", and
//	                                "truncate": "default", "right", "left" or "error"
//	POST /api/embeddings/batch      {"items": [{"source_type", "source_id", "text", "metadata"}]}, where metadata may be
//	                                left out, or {"attestation_ids": [...]}, or a stream of items as application/x-ndjson;
//	                                with "chunk": {"max_tokens", "overlap"} long texts are stored in parts
//	GET, DELETE /api/embeddings/rows?filter=, /api/embeddings/rows/{id}
//	GET, PUT, DELETE /api/embeddings/sources/{source_type}/{source_id}
//	GET  /api/embeddings/info       the model and the store
//	POST /api/embeddings/reindex    moves the store to the model; its progress as server-sent events
//	GET  /api/embeddings/map, /api/embeddings/map/place?q=
//	                                the rows as points of a plane, and where a text would lie among them
//	POST /v1/embeddings             as OpenAI's clients send it
//	GET  /v1/models, /v1/models/{model}
//	GET  /                          a page for people, which uses these routes
//	GET  /livez, /healthz, /readyz, /metrics, /openapi.json
//
// docs/api.md says more of each, and docs/search.md what the parameters of a search mean.
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
// was found and what was expected; below /v1/ they have OpenAI's shape.
//
// In a build without the tag rustembeddings every route that needs the model answers 503, "compile with
// -tags=rustembeddings".
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

const (
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
	// Reindex moves the store to the service's model, and tells progress how many rows of how many are done. Where it is nil, it
	// is [embeddings.EmbeddingStore.Reindex], if Service and Store are this module's; if they are not, a 501.
	Reindex func(ctx context.Context, options embeddings.ReindexOptions,
		progress func(done, total int)) (*embeddings.ReindexReport, error)
	// Logger gets a line for each request, and the reasons of 5xx answers. No text of a user is logged. Where it is
	// nil, nothing is.
	Logger *slog.Logger
	// LogTexts has the texts of a request in its line all the same.
	LogTexts bool
	// ModelAliases are names that OpenAI's clients may call the model by, beside its own.
	ModelAliases []string
	// Limits are how much is taken.
	Limits Limits
	// Keys are who is let in. Where it is nil, everybody is, and may do everything.
	Keys *Keys
	// Rate is how much a caller may have embedded.
	Rate Rate
	// Origins are those of web pages whose scripts may call, such as "https://example.org"; "*" is any.
	Origins []string
	// Clean says what is done to texts.
	Clean Clean
	// Debug, where it is not nil, answers what begins with /debug/, for keys that may write: such as net/http/pprof's, which
	// this package does not import because that alone would add them to http.DefaultServeMux.
	Debug http.Handler
}

type server struct {
	config       Config
	service      *metered // Config's
	store        embeddings.Store
	attestations AttestationSource
	aliases      []string
	limits       Limits
	log          *slog.Logger
	admission    *admission
	rates        *rates      // nil: no limit
	reindex      reindexFunc // nil: it cannot be done
	reindexing   atomic.Bool
	metrics      *metrics
	readiness    readiness
	maps         *mapCache
	started      time.Time
}

// route is one of the server's.
type route struct {
	method, path string
	// role is what a key must allow; 0 is no key at all.
	role Role
	// answer gives what is sent as JSON. These routes need the model, wait for admission and have limits.
	answer func(r *http.Request, model *embeddings.ModelInfo) (any, error)
	// stream is there too where a body of application/x-ndjson is answered otherwise: line by line, for as long as it takes.
	stream func(w http.ResponseWriter, r *http.Request, model *embeddings.ModelInfo) error
	// embeds says that the caller must have tokens left.
	embeds bool
	// serve is there in place of answer, for what is asked while the server is busy.
	serve http.HandlerFunc
}

func (s *server) routes() []route {
	routes := []route{
		{method: "GET", path: "/api/search/semantic", role: RoleRead, answer: s.search, embeds: true},
		{method: "POST", path: "/api/embeddings/generate", role: RoleRead, answer: s.generate, embeds: true},
		{method: "POST", path: "/api/embeddings/batch", role: RoleWrite, answer: s.batch, stream: s.batchStream, embeds: true},
		{method: "GET", path: "/api/embeddings/info", role: RoleRead, answer: s.info},
		{method: "POST", path: "/api/embeddings/reindex", role: RoleWrite, serve: s.serveReindex},
		{method: "GET", path: "/api/embeddings/map", role: RoleRead, answer: s.mapPoints},
		{method: "GET", path: "/api/embeddings/map/place", role: RoleRead, answer: s.mapPlace, embeds: true},
		{method: "GET", path: "/api/embeddings/rows", role: RoleRead, answer: s.rows},
		{method: "DELETE", path: "/api/embeddings/rows", role: RoleWrite, answer: s.deleteRows},
		{method: "GET", path: "/api/embeddings/rows/{id}", role: RoleRead, answer: s.row},
		{method: "DELETE", path: "/api/embeddings/rows/{id}", role: RoleWrite, answer: s.deleteRow},
		{method: "GET", path: "/api/embeddings/sources/{source_type}/{source_id...}", role: RoleRead, answer: s.source},
		{method: "PUT", path: "/api/embeddings/sources/{source_type}/{source_id...}", role: RoleWrite, answer: s.putSource, embeds: true},
		{method: "DELETE", path: "/api/embeddings/sources/{source_type}/{source_id...}", role: RoleWrite, answer: s.deleteSource},
		{method: "POST", path: "/v1/embeddings", role: RoleRead, answer: s.openAIEmbeddings, embeds: true},
		{method: "GET", path: "/v1/models", role: RoleRead, answer: s.openAIModels},
		{method: "GET", path: "/v1/models/{model...}", role: RoleRead, answer: s.openAIModelInfo},
		{method: "GET", path: "/livez", serve: s.live},
		{method: "GET", path: "/healthz", serve: s.live},
		{method: "GET", path: "/readyz", serve: s.ready},
		{method: "GET", path: "/openapi.json", serve: s.openAPI},
		{method: "GET", path: "/metrics", role: RoleRead, serve: s.metrics.handler().ServeHTTP},
	}
	if s.config.Debug != nil {
		routes = append(routes, route{method: "GET", path: "/debug/", role: RoleWrite, serve: s.config.Debug.ServeHTTP})
	}
	return routes
}

// New makes a handler for the package's routes. It may be used by any number of goroutines at once and closes nothing:
// the service and the store stay the caller's.
func New(config Config) http.Handler {
	return newServer(config).handle()
}

func (s *server) handle() http.Handler {
	mux := http.NewServeMux()
	allowed := map[string][]string{} // by path
	for _, route := range s.routes() {
		mux.Handle(route.method+" "+route.path, s.handler(&route))
		if route.method == http.MethodGet {
			allowed[route.path] = append(allowed[route.path], http.MethodGet, http.MethodHead)
		} else {
			allowed[route.path] = append(allowed[route.path], route.method)
		}
	}
	for _, pattern := range s.pagePatterns() {
		mux.Handle("GET "+pattern, http.HandlerFunc(s.page))
		allowed[pattern] = []string{http.MethodGet, http.MethodHead}
	}
	for path, methods := range allowed {
		allow := strings.Join(methods, ", ")
		mux.Handle(path, s.refuse(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Allow", allow)
			return &problem{http.StatusMethodNotAllowed, "method-not-allowed", "method " + r.Method + "; expected " + allow}
		}))
	}
	mux.Handle("/", s.refuse(func(_ http.ResponseWriter, r *http.Request) error {
		return &problem{http.StatusNotFound, "not-found", "there is nothing at " + r.URL.Path}
	}))
	return s.observed(s.crossOrigin(mux))
}

func newServer(config Config) *server {
	if config.Service == nil {
		panic("server.New: Config.Service is nil")
	}
	s := &server{
		config:       config,
		store:        config.Store,
		attestations: config.Attestations,
		aliases:      config.ModelAliases,
		limits:       config.Limits.withDefaults(),
		log:          config.Logger,
		rates:        newRates(config.Rate),
		maps:         newMapCache(),
		started:      time.Now(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.admission = newAdmission(s.limits)
	s.metrics = newMetrics(s)
	s.service = &metered{config.Service, s.rates, s.metrics}
	s.reindex = config.Reindex
	if s.reindex == nil {
		s.reindex = ownReindex(config.Service, config.Store)
	}
	return s
}

func (s *server) refuse(reason func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.sendError(w, r, reason(w, r))
	})
}

// handler runs one route.
func (s *server) handler(route *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.authorise(w, r, route.role); err != nil {
			s.sendError(w, r, err)
			return
		}
		if route.serve != nil {
			route.serve(w, r)
			return
		}
		var err error
		if route.stream != nil && isStream(r) {
			err = s.work(w, r, route, func(r *http.Request, model *embeddings.ModelInfo) error {
				return route.stream(w, r, model)
			})
		} else {
			timeout, cancel := context.WithTimeoutCause(r.Context(), s.limits.RequestTime, errTimeout)
			defer cancel()
			r = r.WithContext(timeout)
			err = s.whole(w, r, route)
		}
		if err != nil {
			s.sendError(w, r, err)
		}
	})
}

// whole answers a request that is read and answered in one piece.
func (s *server) whole(w http.ResponseWriter, r *http.Request, route *route) error {
	if r.ContentLength > s.limits.BodyBytes {
		return bodyTooLarge(s.limits.BodyBytes)
	}
	if r.Body == http.NoBody {
		// net/http reads on, to see whether the client is there, and would take the server's own deadline for its going.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	return s.work(w, r, route, func(r *http.Request, model *embeddings.ModelInfo) error {
		s.bound(w, r)
		body, err := route.answer(r, model)
		if err != nil {
			return err
		}
		if changes := callOf(r.Context()).changes.String(); changes != "" {
			w.Header().Set("Qntx-Embed-Text-Changes", changes)
		}
		if route.embeds {
			s.rates.tell(w.Header(), callOf(r.Context()).caller)
		}
		status := http.StatusOK
		switch body := body.(type) {
		case *SearchResponse:
			s.metrics.search.Observe(body.Stats.SearchMS / 1000)
		case *MapProgress:
			status = http.StatusAccepted
			w.Header().Set("Retry-After", "1")
		case *RowsResponse:
			s.sendRows(w, r, body)
			return nil
		}
		s.send(w, r, status, "application/json", body)
		return nil
	})
}

// work answers a request of a route that needs the model. What it refuses before admission costs nothing.
func (s *server) work(w http.ResponseWriter, r *http.Request, route *route,
	answer func(r *http.Request, model *embeddings.ModelInfo) error) error {
	// Asked first: without a model a request is a 503, whatever is in it.
	model, err := s.config.Service.ModelInfo(r.Context())
	if err != nil {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if route.embeds {
		caller := callOf(r.Context()).caller
		s.rates.tell(w.Header(), caller)
		if err := s.rates.admit(caller); err != nil {
			return err
		}
	}
	if err := s.admission.enter(r.Context()); err != nil {
		return err
	}
	defer s.admission.leave()
	return answer(r, model)
}

// bound sets how much of a body is read, and until when. The deadline goes when the body is read: net/http takes one that
// passes while a handler computes for a client that has gone.
func (s *server) bound(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	deadline := time.Time{}
	if r.Body != http.NoBody {
		deadline = time.Now().Add(s.limits.BodyTime)
		r.Body = &endBody{http.MaxBytesReader(w, r.Body, s.limits.BodyBytes), func() { _ = control.SetReadDeadline(time.Time{}) }}
	}
	_ = control.SetReadDeadline(deadline) // where it cannot be set, the host's hold
}

// endBody tells when a body has been read.
type endBody struct {
	io.ReadCloser
	end func()
}

func (b *endBody) Read(data []byte) (int, error) {
	n, err := b.ReadCloser.Read(data)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		b.end()
	}
	return n, err
}
