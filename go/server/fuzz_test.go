package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

// make test-fuzz goes on from the seeds here; what fails is kept in testdata/fuzz, and is a test from then on.

// answered expects what any request may expect: an answer that is whole and no fault of the server's.
func answered(t *testing.T, h *host, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, r)
	// A 501 is the stand-in's, for what it does not do.
	if recorder.Code >= 500 && recorder.Code != http.StatusNotImplemented || strings.Contains(h.log.String(), "panic") {
		t.Fatalf("%d %s\n%s", recorder.Code, recorder.Body, h.log)
	}
	contentType := recorder.Header().Get("Content-Type")
	switch {
	case contentType == "application/x-ndjson":
		for line := range strings.Lines(recorder.Body.String()) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("a line is no JSON: %q", line)
			}
		}
	case recorder.Code == http.StatusMovedPermanently || recorder.Code == http.StatusTemporaryRedirect: // net/http cleans paths
	case !json.Valid(recorder.Body.Bytes()):
		t.Fatalf("%d %s: no JSON: %q", recorder.Code, contentType, recorder.Body)
	case recorder.Code >= 400 && contentType != "application/problem+json" && !strings.HasPrefix(r.URL.Path, "/v1/"):
		t.Fatalf("%d is of type %q: %s", recorder.Code, contentType, recorder.Body)
	}
	return recorder
}

func small(c *server.Config) { c.Limits.Texts, c.Limits.TextChars = 8, 200 }

// bodies are the routes that take a body, and what each takes.
var bodies = []struct{ method, path, contentType, seed string }{
	{"POST", "/api/embeddings/generate", "application/json",
		`{"text": "a text", "prompt_name": "shout", "dimensions": 3, "truncate": "error"}`},
	{"POST", "/api/embeddings/generate", "application/json", `{"text": "a text", "prompt": "hey ", "truncate": "left"}`},
	{"POST", "/api/embeddings/batch", "application/json",
		`{"items": [{"source_type": "manual", "source_id": "1", "text": "press red", "metadata": {"year": 2020, "open": null}}]}`},
	{"POST", "/api/embeddings/batch", "application/json", `{"attestation_ids": ["as-1", "blank", "none"]}`},
	{"POST", "/api/embeddings/batch", "application/x-ndjson",
		`{"source_type": "a", "source_id": "1", "text": "one"}` + "\n\n" + `{"source_type": "a"}` + "\n"},
	{"PUT", "/api/embeddings/sources/note/1", "application/json", `{"text": "a text", "metadata": {"lang": "de"}}`},
	{"POST", "/v1/embeddings", "application/json",
		`{"input": ["one", "two"], "model": "fake", "encoding_format": "base64", "dimensions": 2, "user": "u"}`},
	{"POST", "/v1/embeddings", "application/json", `{"input": [[1, 2], [3]], "model": "fake"}`},
}

func FuzzBodies(f *testing.F) {
	for i, body := range bodies {
		f.Add(uint8(i), body.seed)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		h := newHost(small)
		route := bodies[int(which)%len(bodies)]
		r := httptest.NewRequest(route.method, route.path, strings.NewReader(body))
		r.Header.Set("Content-Type", route.contentType)
		if answer := answered(t, h, r); answer.Code == http.StatusOK && !json.Valid([]byte(body)) && route.contentType == "application/json" {
			t.Fatalf("a body that is no JSON was taken: %q", body)
		}
	})
}

// queries are the routes that take parameters, or a part of their path.
var queries = []struct{ method, path, seed string }{
	{"GET", "/api/search/semantic", "q=stop+the+pump&limit=3&threshold=0.1&mode=hybrid&details=true&explain=true"},
	{"GET", "/api/search/semantic", `q=pump&diversity=0.5&candidates=20&group=true&filter=["and",["=","source_type","manual"]]`},
	{"GET", "/api/search/semantic", "q=pump&vector_weight=2&words_weight=-1&rank_constant=5&depth=50&mode=words"},
	{"GET", "/api/search/semantic", "like=1&after=0.5%2Cid"},
	{"GET", "/api/embeddings/rows", `filter=["in","source_id",["1","2"]]&limit=2`},
	{"DELETE", "/api/embeddings/rows", `filter=["or",["<","metadata.year",2020],["not",["exists","metadata.x"]]]`},
	{"GET", "/api/embeddings/rows/", ""},
	{"DELETE", "/api/embeddings/rows/", ""},
	{"GET", "/api/embeddings/sources/manual/", ""},
	{"DELETE", "/api/embeddings/sources/manual/", ""},
	{"GET", "/v1/models/", ""},
	{"GET", "/api/embeddings/info", "x=1"},
}

func FuzzQueries(f *testing.F) {
	for i, query := range queries {
		f.Add(uint8(i), "1", query.seed)
	}
	f.Fuzz(func(t *testing.T, which uint8, name, query string) {
		h := newHost(small)
		answered(t, h, batchRequest(`{"items": [
			{"source_type": "manual", "source_id": "1", "text": "press red to stop the pump", "metadata": {"year": 2019}},
			{"source_type": "manual", "source_id": "2", "text": "lunch is at noon", "metadata": {"x": true}}]}`))
		route := queries[int(which)%len(queries)]
		path := route.path
		if strings.HasSuffix(path, "/") {
			path += name
		}
		r := httptest.NewRequest(route.method, "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: query}
		answered(t, h, r)
	})
}

func batchRequest(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/api/embeddings/batch", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}
