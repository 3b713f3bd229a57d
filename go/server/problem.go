package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// problem is an error that knows its answer.
type problem struct {
	status int
	kind   string // stable; the end of the answer's "type"
	detail string
}

func (p *problem) Error() string { return p.detail }

func invalid(err error) error {
	return &problem{http.StatusBadRequest, "invalid-request", err.Error()}
}

// errUnavailable is the service having no model to answer with.
var errUnavailable = errors.New("no model")

const (
	inTheLog    = "the reason is in the server's log"
	unavailable = "the model is not available; " + inTheLog
)

// kinds is the one table from an error to its answer; the first row that matches counts. The library's messages can
// name files of this machine: they are shown only where detail is empty, and logged for every 5xx.
var kinds = []struct {
	err    error
	status int
	kind   string
	detail string
}{
	{embeddings.ErrNotCompiled, http.StatusServiceUnavailable, "not-compiled", embeddings.ErrNotCompiled.Error()},
	{embeddings.ErrClosed, http.StatusServiceUnavailable, "shutting-down", "the server is shutting down"},
	{embeddings.ErrCancelled, http.StatusServiceUnavailable, "cancelled", "the request was cancelled"},
	{errUnavailable, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrABIVersion, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrModelNotFound, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrModelInvalid, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrModelUnsupported, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrRuntimeNotFound, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrRuntimeVersion, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrOverloaded, http.StatusTooManyRequests, "overloaded", ""},
	{embeddings.ErrTooLong, http.StatusRequestEntityTooLarge, "text-too-long", ""},
	{embeddings.ErrDimensions, http.StatusBadRequest, "invalid-request", ""},
	{embeddings.ErrEmptyText, http.StatusBadRequest, "invalid-request", ""},
	{embeddings.ErrInvalidUTF8, http.StatusBadRequest, "invalid-request", ""},
	{embeddings.ErrInvalidArgument, http.StatusBadRequest, "invalid-request", ""},
	{errors.ErrUnsupported, http.StatusNotImplemented, "not-supported", ""},
}

func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return &problem{k.status, k.kind, cmp.Or(k.detail, err.Error())}
		}
	}
	return &problem{http.StatusInternalServerError, "internal-error", inTheLog}
}

func (s *server) sendError(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status >= 500 {
		s.log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "status", p.status, "error", err)
	}
	s.send(w, r, p.status, "application/problem+json", struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"urn:qntx-embed:problem:" + p.kind, http.StatusText(p.status), p.status, p.detail})
}

func (s *server) send(w http.ResponseWriter, r *http.Request, status int, contentType string, body any) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // it is no HTML, and a reader of curl's output wants to see < and &
	if err := encoder.Encode(body); err != nil {
		s.log.ErrorContext(r.Context(), "answer not encoded", "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(buffer.Len()))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(buffer.Bytes()) // a client that has gone needs no answer
}
