package server_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// library is a server with some rows.
func library(t *testing.T, change ...func(*server.Config)) *host {
	t.Helper()
	h := newHost(change...)
	answer := h.with("Bearer w", http.MethodPost, "/api/embeddings/batch", `{"items":[
		{"source_type":"manual","source_id":"pump/1","text":"stop the pump","metadata":{"year":2020}},
		{"source_type":"manual","source_id":"valve","text":"open the valve","metadata":{"year":2024}},
		{"source_type":"mail","source_id":"1","text":"the pump is loud"}]}`)
	if answer.Code != 200 {
		t.Fatal(answer.Code, answer.Body)
	}
	return h
}

func rowsOf(t *testing.T, h *host, path string) (names []string, next any) {
	t.Helper()
	answer := h.get(path)
	if answer.Code != 200 {
		t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
	fields := []string{"rows"}
	if strings.Contains(answer.Body.String(), `"next"`) {
		fields = append(fields, "next")
	}
	list := object(t, answer.Body, fields...)
	for _, entry := range list["rows"].([]any) {
		row := entry.(map[string]any)
		names = append(names, fmt.Sprint(row["source_type"], ":", row["source_id"]))
	}
	return names, list["next"]
}

func TestRowsAreListedPageByPage(t *testing.T) {
	h := library(t)
	var all []string
	pages := 0
	for after := ""; ; pages++ {
		names, next := rowsOf(t, h, "/api/embeddings/rows?limit=2"+after)
		if all = append(all, names...); next == nil {
			break
		}
		after = "&after=" + url.QueryEscape(next.(string))
	}
	if len(all) != 3 || pages != 1 {
		t.Errorf("%q in %d pages", all, pages+1)
	}
	filter := url.QueryEscape(`[">=","metadata.year",2021]`)
	if names, _ := rowsOf(t, h, "/api/embeddings/rows?filter="+filter); len(names) != 1 || names[0] != "manual:valve" {
		t.Errorf("%q", names)
	}
	if names, _ := rowsOf(t, h, "/api/embeddings/rows?fingerprint=other"); names != nil {
		t.Errorf("%q", names)
	}
	for query, detail := range map[string]string{
		"?limit=0":              `parameter "limit" is "0"`,
		"?limit=1001":           `"1001"`,
		"?vectors=1":            `parameter "vectors" is "1"; expected true or false`,
		"?filter=nonsense":      `parameter "filter"`,
		"?q=a":                  `unknown parameter "q"`,
		"?filter=%5B%22x%22%5D": `parameter "filter"`,
	} {
		isProblem(t, h.get("/api/embeddings/rows"+query), 400, detail)
	}
}

// unsayable is a store whose last row has no JSON.
type unsayable struct{ embeddings.Store }

func (s unsayable) List(ctx context.Context, options embeddings.ListOptions) iter.Seq2[*embeddings.Embedding, error] {
	return func(yield func(*embeddings.Embedding, error) bool) {
		for row, err := range s.Store.List(ctx, options) {
			if !yield(row, err) {
				return
			}
		}
		yield(&embeddings.Embedding{Record: embeddings.Record{Vector: []float32{float32(math.NaN())}}}, nil)
	}
}

func TestAListThatBreaksOffDoesNotLookWhole(t *testing.T) {
	h := library(t, func(c *server.Config) { c.Store = unsayable{c.Store} })
	listening := httptest.NewServer(h.handler)
	response, err := http.Get(listening.URL + "/api/embeddings/rows?vectors=true")
	if err == nil {
		defer response.Body.Close()
		var body []byte
		if body, err = io.ReadAll(response.Body); err == nil {
			t.Errorf("%s: %s", response.Status, body)
		}
	}
	listening.Close() // when it returns, so has the handler, which writes to the log until then
	if !strings.Contains(h.log.String(), "answer not encoded") {
		t.Error(h.log)
	}
}

func TestARowIsReadAndDeleted(t *testing.T) {
	h := library(t)
	rows, err := h.store.GetBySource(t.Context(), "manual", "valve", "")
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	path := "/api/embeddings/rows/" + rows[0].ID
	names := []string{"id", "source_type", "source_id", "chunk", "chunk_start", "chunk_end", "text", "metadata", "model", "fingerprint",
		"dimensions", "created_at", "updated_at"}
	row := object(t, h.get(path).Body, names...)
	if row["text"] != "open the valve" || row["dimensions"] != 64.0 || row["metadata"].(map[string]any)["year"] != 2024.0 {
		t.Errorf("%v", row)
	}
	row = object(t, h.get(path+"?vectors=true").Body, append(names, "vector")...)
	if len(row["vector"].([]any)) != 64 {
		t.Errorf("%v", row["vector"])
	}
	if gone := object(t, h.with("", "DELETE", path, "").Body, "deleted"); gone["deleted"] != 1.0 {
		t.Errorf("%v", gone)
	}
	isProblem(t, h.with("", "DELETE", path, ""), 404, "no such row")
	isProblem(t, h.get(path), 404, "no such row")
	isProblem(t, h.with("", "POST", path, ""), 405, "expected GET, HEAD, DELETE")
}

func TestASourceIsPutReadAndDeleted(t *testing.T) {
	h := newHost()
	const path = "/api/embeddings/sources/manual/pump/1" // its id has a slash
	put := func(body, status string) {
		t.Helper()
		answer := h.with("", "PUT", path, body)
		if answer.Code != 200 || !strings.Contains(answer.Body.String(), `{"status":"`+status+`"}`) {
			t.Errorf("%s: %d %s; expected %s", body, answer.Code, answer.Body, status)
		}
	}
	put(`{"text":"stop the pump"}`, "inserted")
	put(`{"text":"stop the pump"}`, "unchanged")
	put(`{"text":"start the pump","metadata":{"year":2020}}`, "replaced")
	if names, _ := rowsOf(t, h, path); len(names) != 1 || names[0] != "manual:pump/1" {
		t.Errorf("%q", names)
	}
	if names, _ := rowsOf(t, h, "/api/embeddings/sources/manual/pump%2F1"); len(names) != 1 {
		t.Errorf("%q", names)
	}
	isProblem(t, h.with("", "PUT", path, `{}`), 400, "text is missing")
	isProblem(t, h.with("", "PUT", path, `{"text":"a","source_id":"b"}`), 400, `unknown field "source_id"`)
	isProblem(t, h.with("", "PUT", "/api/embeddings/sources/manual/%20", `{"text":"a"}`), 400, "source_id in the path is empty")
	isProblem(t, h.with("", "PUT", "/api/embeddings/sources/manual/%ff", `{"text":"a"}`), 400, "source_id in the path is not valid UTF-8")
	if gone := object(t, h.with("", "DELETE", path, "").Body, "deleted"); gone["deleted"] != 1.0 {
		t.Errorf("%v", gone)
	}
	isProblem(t, h.get(path), 404, "no such row")
	isProblem(t, h.with("", "DELETE", path, ""), 404, "no such row")
}

func TestRowsThatPassAFilterAreDeleted(t *testing.T) {
	h := library(t)
	isProblem(t, h.with("", "DELETE", "/api/embeddings/rows", ""), 400, `parameter "filter" is missing`)
	filter := url.QueryEscape(`["=","source_type","manual"]`)
	if gone := object(t, h.with("", "DELETE", "/api/embeddings/rows?filter="+filter, "").Body, "deleted"); gone["deleted"] != 2.0 {
		t.Errorf("%v", gone)
	}
	if names, _ := rowsOf(t, h, "/api/embeddings/rows"); len(names) != 1 || names[0] != "mail:1" {
		t.Errorf("%q", names)
	}
}

// What a key may not read is not there for it, whichever way it asks.
func TestAScopeHidesRows(t *testing.T) {
	narrow := key("narrow", "n", server.RoleRead)
	narrow.Scope = embeddings.Eq(embeddings.FieldSourceType, "manual")
	h := library(t, func(c *server.Config) { c.Keys = server.NewKeys([]server.Key{key("w", "w", server.RoleWrite), narrow}) })
	mail, err := h.store.GetBySource(t.Context(), "mail", "1", "")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		t.Helper()
		answer := h.with("Bearer n", "GET", path, "")
		if answer.Code != 200 {
			t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
	for _, path := range []string{
		"/api/search/semantic?q=the+pump+is+loud&threshold=-1",
		"/api/search/semantic?q=loud&mode=keywords",
		"/api/search/semantic?q=the+pump+is+loud&threshold=-1&filter=" + url.QueryEscape(`["or",["=","source_type","mail"],["=","source_type","manual"]]`),
		"/api/search/semantic?q=the+pump+is+loud&threshold=-1&filter=" + url.QueryEscape(`["=","source_type","mail"]`),
		"/api/embeddings/rows",
		"/api/embeddings/rows?filter=" + url.QueryEscape(`["and"]`),
		"/api/embeddings/rows?filter=" + url.QueryEscape(`["not",["=","source_type","manual"]]`),
	} {
		if answer := get(path); strings.Contains(answer, `"source_type":"mail"`) {
			t.Errorf("%s: %s", path, answer)
		}
	}
	if answer := get("/api/embeddings/info"); !strings.Contains(answer, `"rows":2`) {
		t.Errorf("%s", answer)
	}
	for _, path := range []string{
		"/api/embeddings/rows/" + mail[0].ID,
		"/api/embeddings/sources/mail/1",
		"/api/search/semantic?like=" + mail[0].ID,
	} {
		isProblem(t, h.with("Bearer n", "GET", path, ""), 404, "there is no")
		if answer := h.with("Bearer w", "GET", path, ""); answer.Code != 200 {
			t.Errorf("%s with a key for all: %d %s", path, answer.Code, answer.Body)
		}
	}
	// A limit counts what may be read only.
	if answer := get("/api/search/semantic?q=the+pump+is+loud&threshold=-1&limit=2"); strings.Count(answer, `"source_type":"manual"`) != 2 {
		t.Errorf("%s", answer)
	}
}
