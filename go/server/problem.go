package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// problem is an error that knows its answer.
type problem struct {
	status int
	kind   string // stable; the end of the answer's "type"
	detail string
}

func (p *problem) Error() string { return p.detail }

// retryLater is a problem that goes away.
type retryLater struct {
	after time.Duration
	*problem
}

func (r *retryLater) Unwrap() error { return r.problem }

func invalid(err error) error {
	return &problem{http.StatusBadRequest, "invalid-request", err.Error()}
}

var (
	// ErrShuttingDown, as the cause with which the context of a request is cancelled (see http.Server.BaseContext), makes its
	// answer say so.
	ErrShuttingDown = errors.New("the server is shutting down")

	// errUnavailable is the service having no model to answer with.
	errUnavailable = errors.New("no model")
	errTimeout     = errors.New("the request took too long")
	errCrashed     = errors.New("the handler has panicked")
)

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
	{ErrShuttingDown, http.StatusServiceUnavailable, "shutting-down", ErrShuttingDown.Error()},
	{embeddings.ErrClosed, http.StatusServiceUnavailable, "shutting-down", ErrShuttingDown.Error()},
	{errTimeout, http.StatusServiceUnavailable, "timeout", "the request took longer than this server allows; send less at once"},
	{embeddings.ErrCancelled, http.StatusServiceUnavailable, "cancelled", "the request was cancelled"},
	{errUnavailable, http.StatusServiceUnavailable, "not-available", unavailable},
	{embeddings.ErrStoreUnavailable, http.StatusServiceUnavailable, "not-available", "the store cannot be reached; try again later"},
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

// Problem is the body of an error: application/problem+json of RFC 9457.
type Problem struct {
	// Type is stable: "urn:qntx-embed:problem:" and a word, which docs/api.md lists.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is for people; its wording may change.
	Detail string `json:"detail"`
	// Instance is "urn:qntx-embed:request:" and the request's id, which the log has too.
	Instance string `json:"instance"`
}

// OpenAIError is the body of an error of the routes below /v1/.
type OpenAIError struct {
	Error OpenAIErrorDetail `json:"error"`
}

// OpenAIErrorDetail is as OpenAI's clients know it.
type OpenAIErrorDetail struct {
	Message string `json:"message"`
	// Type is "invalid_request_error", "rate_limit_error", "authentication_error" or "server_error".
	Type string `json:"type"`
	// Param is always null: the message names the field.
	Param *string `json:"param"`
	// Code is the end of a [Problem]'s type, with _ for -.
	Code string `json:"code"`
}

func (s *server) sendError(w http.ResponseWriter, r *http.Request, err error) {
	ctx, call := r.Context(), callOf(r.Context())
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, embeddings.ErrCancelled) {
		switch {
		case errors.Is(cause, context.Canceled): // the client did it
			if recorder, ok := w.(*recorder); ok {
				recorder.status = statusGone
			}
			return
		case errors.Is(cause, context.DeadlineExceeded): // a host's
			cause = errTimeout
		}
		err = fmt.Errorf("%w: %w", err, cause)
	}
	p := problemOf(err)
	if p.status >= 500 {
		s.log.ErrorContext(ctx, "request failed", "id", call.id, "path", r.URL.Path, "status", p.status, "error", err)
	}
	if p.status == http.StatusTooManyRequests || errors.Is(err, errTimeout) {
		after := time.Second
		if later, ok := errors.AsType[*retryLater](err); ok {
			after = later.after
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	if strings.HasPrefix(r.URL.Path, openAIPath) {
		s.send(w, r, p.status, "application/json", &OpenAIError{OpenAIErrorDetail{
			Message: p.detail,
			Type:    openAIErrorType(p.status),
			Code:    strings.ReplaceAll(p.kind, "-", "_"),
		}})
		return
	}
	s.send(w, r, p.status, "application/problem+json", problemBody(p, call))
}

// lateProblem is an error of an answer that has begun, as the client gets it; those of the server are logged.
func (s *server) lateProblem(ctx context.Context, message string, err error) *Problem {
	cause := context.Cause(ctx)
	if cause != nil && errors.Is(err, embeddings.ErrCancelled) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	p, call := problemOf(err), callOf(ctx)
	switch {
	case errors.Is(cause, context.Canceled): // the client did it
		s.log.InfoContext(ctx, message, "id", call.id, "error", err)
	case p.status >= 500:
		s.log.ErrorContext(ctx, message, "id", call.id, "error", err)
	}
	return problemBody(p, call)
}

func problemBody(p *problem, call *call) *Problem {
	return &Problem{
		Type:     "urn:qntx-embed:problem:" + p.kind,
		Title:    http.StatusText(p.status),
		Status:   p.status,
		Detail:   p.detail,
		Instance: "urn:qntx-embed:request:" + call.id,
	}
}

func openAIErrorType(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "authentication_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
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
