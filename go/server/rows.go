package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// DefaultRows is how many rows a list gives that does not say otherwise; [MaxLimit] is the most.
const DefaultRows = 100

// Row is a stored row.
type Row struct {
	ID          string              `json:"id"`
	SourceType  string              `json:"source_type"`
	SourceID    string              `json:"source_id"`
	Chunk       int                 `json:"chunk"`
	ChunkStart  int                 `json:"chunk_start"`
	ChunkEnd    int                 `json:"chunk_end"`
	Text        string              `json:"text"`
	Metadata    embeddings.Metadata `json:"metadata"`
	Model       string              `json:"model"`
	Fingerprint string              `json:"fingerprint"`
	Dimensions  int                 `json:"dimensions"`
	CreatedAt   time.Time           `json:"created_at"`
	UpdatedAt   time.Time           `json:"updated_at"`
	// Vector is only there where it was asked for.
	Vector []float32 `json:"vector,omitempty"`
}

// RowOf is a row as it is answered, its vector too.
func RowOf(e *embeddings.Embedding) Row {
	return Row{e.ID, e.SourceType, e.SourceID, e.Chunk, e.ChunkStart, e.ChunkEnd, e.Text, e.Metadata, e.Model, e.Fingerprint,
		e.Dimensions, e.CreatedAt, e.UpdatedAt, e.Vector}
}

// RowsResponse answers lists of rows.
type RowsResponse struct {
	Rows []Row `json:"rows"`
	// Next is the parameter "after" of the next page, where there may be one.
	Next string `json:"next,omitempty"`
}

// DeleteResponse says how many rows there were.
type DeleteResponse struct {
	Deleted int `json:"deleted"`
}

// PutResponse says what was done with a source: "inserted", "replaced" or "unchanged".
type PutResponse struct {
	Status string `json:"status"`
}

var errNoRow = &problem{http.StatusNotFound, "not-found", "there is no such row, or the key may not read it"}

// scoped narrows a filter to what the caller's key may read.
func scoped(ctx context.Context, filter embeddings.Filter) embeddings.Filter {
	key := callOf(ctx).key
	switch {
	case key == nil || key.Scope.Op == "":
		return filter
	case filter.Op == "":
		return key.Scope
	}
	return embeddings.And(key.Scope, filter)
}

// mayRead says whether a row is there for the caller.
func (s *server) mayRead(ctx context.Context, id string) error {
	n, err := s.store.Count(ctx, embeddings.Selection{Filter: scoped(ctx, embeddings.Eq(embeddings.FieldID, id))})
	if err == nil && n == 0 {
		return errNoRow
	}
	return err
}

// rowParameters are what the routes of rows take, each some of them.
type rowParameters struct {
	selection embeddings.Selection
	after     string
	limit     int
	vectors   bool
}

func (s *server) readRows(r *http.Request, names ...string) (*rowParameters, error) {
	if s.store == nil {
		return nil, errNoStore
	}
	p := &rowParameters{limit: DefaultRows}
	all := map[string]func(string) error{
		"filter": func(value string) (err error) {
			p.selection.Filter, err = wire.Filter(`parameter "filter"`, value)
			return err
		},
		"fingerprint": func(value string) error { p.selection.Fingerprint = value; return nil },
		"after":       func(value string) error { p.after = value; return nil },
		"limit": func(value string) (err error) {
			p.limit, err = wire.CountTo(`parameter "limit"`, value, MaxLimit)
			return err
		},
		"vectors": func(value string) (err error) {
			p.vectors, err = wire.Switch(`parameter "vectors"`, value)
			return err
		},
	}
	mine := map[string]func(string) error{}
	for _, name := range names {
		mine[name] = all[name]
	}
	return p, readQuery(r, mine)
}

// rows answers GET /api/embeddings/rows.
func (s *server) rows(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	p, err := s.readRows(r, "filter", "fingerprint", "after", "limit", "vectors")
	if err != nil {
		return nil, err
	}
	p.selection.Filter = scoped(r.Context(), p.selection.Filter)
	answer := &RowsResponse{Rows: []Row{}}
	options := embeddings.ListOptions{Selection: p.selection, After: p.after, Limit: p.limit, WithoutVectors: !p.vectors}
	for row, err := range s.store.List(r.Context(), options) {
		if err != nil {
			return nil, err
		}
		answer.Rows = append(answer.Rows, RowOf(row))
	}
	if n := len(answer.Rows); n == p.limit {
		answer.Next = answer.Rows[n-1].ID
	}
	return answer, nil
}

// sendRows is send for what may be long: each row is encoded when those before it are on their way, so that a client that reads
// slowly keeps rows here, and not megabytes of JSON.
func (s *server) sendRows(w http.ResponseWriter, r *http.Request, answer *RowsResponse) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out := bufio.NewWriterSize(w, 32<<10)
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	part := func(before string, value any) error {
		buffer.Reset()
		buffer.WriteString(before)
		if err := encoder.Encode(value); err != nil {
			s.log.ErrorContext(r.Context(), "answer not encoded", "path", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
		}
		_, err := out.Write(buffer.Bytes())
		return err
	}
	_, _ = out.WriteString(`{"rows":[`) // the writer keeps an error, and then nothing more is written
	before := ""
	for i := range answer.Rows {
		if part(before, &answer.Rows[i]) != nil {
			return // a client that has gone needs no answer
		}
		before = ","
	}
	_, _ = out.WriteString("]")
	if answer.Next != "" {
		_ = part(`,"next":`, answer.Next)
	}
	_, _ = out.WriteString("}\n")
	_ = out.Flush()
}

// deleteRows answers DELETE /api/embeddings/rows.
func (s *server) deleteRows(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	p, err := s.readRows(r, "filter")
	if err != nil {
		return nil, err
	}
	if p.selection.Filter.Op == "" {
		return nil, invalid(errors.New(`parameter "filter" is missing; ["and"] is all rows`))
	}
	n, err := s.store.DeleteWhere(r.Context(), p.selection.Filter)
	return &DeleteResponse{n}, err
}

// row answers GET /api/embeddings/rows/{id}.
func (s *server) row(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	p, err := s.readRows(r, "vectors")
	if err != nil {
		return nil, err
	}
	id, err := pathText(r, "id")
	if err != nil {
		return nil, err
	}
	if err := s.mayRead(r.Context(), id); err != nil {
		return nil, err
	}
	found, err := s.store.Get(r.Context(), id)
	if errors.Is(err, embeddings.ErrNotFound) { // it is gone since
		return nil, errNoRow
	}
	if err != nil {
		return nil, err
	}
	answer := RowOf(found)
	if !p.vectors {
		answer.Vector = nil
	}
	return &answer, nil
}

// deleteRow answers DELETE /api/embeddings/rows/{id}.
func (s *server) deleteRow(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	if _, err := s.readRows(r); err != nil {
		return nil, err
	}
	id, err := pathText(r, "id")
	if err != nil {
		return nil, err
	}
	return deleted(s.store.Delete(r.Context(), id))
}

// deleted answers a deletion of what was named: there must be something.
func deleted(n int, err error) (any, error) {
	if err == nil && n == 0 {
		err = errNoRow
	}
	if err != nil {
		return nil, err
	}
	return &DeleteResponse{n}, nil
}

// source answers GET /api/embeddings/sources/{source_type}/{source_id}: all its chunks, of every model.
func (s *server) source(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	p, err := s.readRows(r, "fingerprint", "vectors")
	if err != nil {
		return nil, err
	}
	kind, id, err := pathSource(r)
	if err != nil {
		return nil, err
	}
	answer := &RowsResponse{Rows: []Row{}}
	options := embeddings.ListOptions{WithoutVectors: !p.vectors, Selection: embeddings.Selection{
		Fingerprint: p.selection.Fingerprint,
		Filter: scoped(r.Context(), embeddings.And(embeddings.Eq(embeddings.FieldSourceType, kind),
			embeddings.Eq(embeddings.FieldSourceID, id))),
	}}
	for row, err := range s.store.List(r.Context(), options) {
		if err != nil {
			return nil, err
		}
		answer.Rows = append(answer.Rows, RowOf(row))
	}
	if len(answer.Rows) == 0 {
		return nil, errNoRow
	}
	return answer, nil
}

// putSource answers PUT /api/embeddings/sources/{source_type}/{source_id}.
func (s *server) putSource(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if s.store == nil {
		return nil, errNoStore
	}
	var item embeddings.Item
	var chunking *embeddings.Chunking
	err := readBody(r, wire.Fields{
		"chunk": readChunk(model, &chunking),
		"text": func(value json.RawMessage) (err error) {
			item.Text, err = wire.Text("text", value)
			return err
		},
		"metadata": func(value json.RawMessage) (err error) {
			item.Metadata, err = wire.Metadata("metadata", value)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if item.Text == "" {
		return nil, invalid(wire.Missing("text"))
	}
	if item.SourceType, item.SourceID, err = pathSource(r); err != nil {
		return nil, err
	}
	if item.Text, err = s.clean(r.Context(), model, "text", item.Text); err != nil {
		return nil, err
	}
	outcomes, err := s.ingest(r.Context(), []embeddings.Item{item}, chunking)
	if err != nil {
		return nil, err
	}
	return &PutResponse{outcomes[0].String()}, nil
}

// deleteSource answers DELETE /api/embeddings/sources/{source_type}/{source_id}.
func (s *server) deleteSource(r *http.Request, _ *embeddings.ModelInfo) (any, error) {
	if _, err := s.readRows(r); err != nil {
		return nil, err
	}
	kind, id, err := pathSource(r)
	if err != nil {
		return nil, err
	}
	return deleted(s.store.DeleteBySource(r.Context(), kind, id))
}

func pathSource(r *http.Request) (kind, id string, err error) {
	if kind, err = pathText(r, "source_type"); err == nil {
		id, err = pathText(r, "source_id")
	}
	return kind, id, err
}

// pathText is a part of the path that names something.
func pathText(r *http.Request, name string) (string, error) {
	text := r.PathValue(name)
	if strings.TrimSpace(text) == "" {
		return "", invalid(fmt.Errorf("%s in the path is empty; expected some text", name))
	}
	if strings.ToValidUTF8(text, "") != text {
		return "", invalid(fmt.Errorf("%s in the path is not valid UTF-8", name))
	}
	return text, nil
}
