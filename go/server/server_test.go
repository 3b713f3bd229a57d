package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

// attestations are a host's; the id "broken" cannot be read.
type attestations map[string]server.Attestation

func (a attestations) Attestation(_ context.Context, id string) (*server.Attestation, error) {
	if id == "broken" {
		return nil, errors.New("/secret/path: disk on fire")
	}
	found, there := a[id]
	if !there {
		return nil, embeddings.ErrNotFound
	}
	return &found, nil
}

type host struct {
	service *embedtest.Service
	store   *embedtest.Store
	log     *bytes.Buffer
	handler http.Handler
}

func newHost(change ...func(*server.Config)) *host {
	h := &host{service: new(embedtest.Service), store: new(embedtest.Store), log: new(bytes.Buffer)}
	config := server.Config{
		Service: h.service,
		Store:   h.store,
		Attestations: attestations{
			"as-1":  {Subjects: []string{"pump-7"}, Predicates: []string{"stopped"}, Contexts: []string{"hall 3"}},
			"as-2":  {Subjects: []string{"valve-2"}, Attributes: map[string]any{"note": "stuck"}},
			"blank": {Subjects: []string{"_"}},
		},
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, change := range change {
		change(&config)
	}
	h.handler = server.New(config)
	return h
}

func (h *host) get(path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder
}

func (h *host) post(path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	return recorder
}

// object reads an answer, which must have exactly these fields.
func object(t *testing.T, body io.Reader, names ...string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.NewDecoder(body).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range fields {
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Fatalf("fields %q; expected %q", got, names)
	}
	return fields
}

func isProblem(t *testing.T, answer *httptest.ResponseRecorder, status int, detail string) {
	t.Helper()
	if answer.Code != status || answer.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s; expected %d\n%s", answer.Code, answer.Header().Get("Content-Type"), status, answer.Body)
	}
	fields := object(t, answer.Body, "type", "title", "status", "detail", "instance")
	if fields["status"] != float64(status) || fields["title"] != http.StatusText(status) ||
		!strings.HasPrefix(fields["type"].(string), "urn:qntx-embed:problem:") ||
		fields["instance"] != "urn:qntx-embed:request:"+answer.Header().Get("X-Request-Id") {
		t.Errorf("%v", fields)
	}
	if !strings.Contains(fields["detail"].(string), detail) {
		t.Errorf("detail %q; expected %q in it", fields["detail"], detail)
	}
}

func TestWhatIsStoredIsFound(t *testing.T) {
	h := newHost()
	answer := h.post("/api/embeddings/batch", `{"items": [
		{"source_type": "manual", "source_id": "1", "text": "press red to stop <the> pump"},
		{"source_type": "manual", "source_id": "2", "text": "lunch is at noon"}]}`)
	if answer.Code != 200 || answer.Header().Get("Content-Type") != "application/json" {
		t.Fatal(answer.Code, answer.Body)
	}
	batch := object(t, answer.Body, "processed", "failed", "errors", "time_ms")
	if batch["processed"] != 2.0 || batch["failed"] != 0.0 || len(batch["errors"].([]any)) != 0 {
		t.Errorf("%v", batch)
	}

	answer = h.get("/api/search/semantic?q=stop+the+pump")
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), "stop <the> pump") {
		t.Fatal(answer.Code, answer.Body)
	}
	found := object(t, answer.Body, "query", "results", "stats")
	if found["query"] != "stop the pump" {
		t.Errorf("query %v", found["query"])
	}
	stats := found["stats"].(map[string]any)
	if len(stats) != 3 || stats["total_results"] != 1.0 || stats["inference_ms"] == nil || stats["search_ms"] == nil {
		t.Errorf("stats %v", stats)
	}
	result := found["results"].([]any)[0].(map[string]any)
	similarity, distance := result["similarity"].(float64), result["distance"].(float64)
	if len(result) != 5 || result["source_type"] != "manual" || result["source_id"] != "1" ||
		similarity < 0.3 || similarity > 0.9 || distance < 0.4 || distance > 1.2 {
		t.Errorf("result %v", result)
	}
}

func TestSearchTakesLimitAndThreshold(t *testing.T) {
	h := newHost()
	h.post("/api/embeddings/batch", `{"items": [
		{"source_type": "a", "source_id": "1", "text": "red"},
		{"source_type": "a", "source_id": "2", "text": "red green"},
		{"source_type": "a", "source_id": "3", "text": "red green blue white black pink grey lime teal navy gold plum rose"},
		{"source_type": "a", "source_id": "4", "text": "elsewhere"}]}`)
	for query, want := range map[string]int{
		"":                            2,
		"&threshold=-1":               4,
		"&threshold=0.9":              1,
		"&threshold=-1&limit=3":       3,
		"&limit=1":                    1,
		"&limit=1000&threshold=0.001": 3,
	} {
		found := object(t, h.get("/api/search/semantic?q=red"+query).Body, "query", "results", "stats")
		if got := len(found["results"].([]any)); got != want {
			t.Errorf("%q: %d results; expected %d", query, got, want)
		}
	}
	found := object(t, h.get("/api/search/semantic?q=nothing+like+it&threshold=1").Body, "query", "results", "stats")
	if results, ok := found["results"].([]any); !ok || len(results) != 0 {
		t.Errorf("results %v; expected []", found["results"])
	}
}

func TestGenerateGivesAVector(t *testing.T) {
	h := newHost()
	vector := object(t, h.post("/api/embeddings/generate", `{"text": "one two"}`).Body,
		"embedding", "dimensions", "model", "tokens", "full_tokens", "truncated", "inference_ms")
	if len(vector["embedding"].([]any)) != 64 || vector["dimensions"] != 64.0 || vector["model"] != "fake" ||
		vector["tokens"] != 4.0 || vector["truncated"] != false {
		t.Errorf("%v", vector)
	}
	long := object(t, h.post("/api/embeddings/generate", `{"text": "`+strings.Repeat("word ", 100)+`"}`).Body,
		"embedding", "dimensions", "model", "tokens", "full_tokens", "truncated", "inference_ms")
	if long["tokens"] != 32.0 || long["full_tokens"] != 102.0 || long["truncated"] != true {
		t.Errorf("tokens %v of %v, truncated %v", long["tokens"], long["full_tokens"], long["truncated"])
	}
}

func TestGenerateTakesTheOptionsOfACall(t *testing.T) {
	h := newHost()
	generate := func(fields string) map[string]any {
		t.Helper()
		return object(t, h.post("/api/embeddings/generate", `{"text": "one two"`+fields+`}`).Body,
			"embedding", "dimensions", "model", "tokens", "full_tokens", "truncated", "inference_ms")
	}
	plain := generate("")
	for fields, tokens := range map[string]float64{
		`, "prompt_name": "shout"`:             5,
		`, "prompt": "a b c "`:                 7,
		`, "prompt": ""`:                       4,
		`, "truncate": "error"`:                4,
		`, "truncate": "left", "prompt": "a "`: 5,
	} {
		if answer := generate(fields); answer["tokens"] != tokens || len(answer["embedding"].([]any)) != 64 {
			t.Errorf("%s: %v tokens; expected %v", fields, answer["tokens"], tokens)
		}
	}
	some := generate(`, "dimensions": 8`)
	if some["dimensions"] != 8.0 || len(some["embedding"].([]any)) != 8 || len(plain["embedding"].([]any)) != 64 {
		t.Errorf("dimensions %v", some["dimensions"])
	}
	isProblem(t, h.post("/api/embeddings/generate", `{"text": "`+strings.Repeat("word ", 100)+`", "truncate": "error"}`), 413, "tokens")
}

func TestOfEqualItemsInOneBatchTheLastStays(t *testing.T) {
	h := newHost()
	const body = `{"items": [
		{"source_type": "a", "source_id": "1", "text": "first"},
		{"source_type": "a", "source_id": "1", "text": "last"}]}`
	for range 2 {
		batch := object(t, h.post("/api/embeddings/batch", body).Body, "processed", "failed", "errors", "time_ms")
		if batch["processed"] != 2.0 || batch["failed"] != 0.0 {
			t.Errorf("%v", batch)
		}
		if rows, err := h.store.GetBySource(t.Context(), "a", "1", embedtest.Fingerprint); err != nil || len(rows) != 1 || rows[0].Text != "last" {
			t.Errorf("%v, error %v", rows, err)
		}
	}
}

func TestAttestationsAreEmbeddedById(t *testing.T) {
	h := newHost()
	const body = `{"attestation_ids": ["as-1", "gone", "as-2", "as-1", "blank", "broken"]}`
	for _, embedded := range []int64{2, 0} { // the second time they are there
		h.service.Texts.Store(0)
		batch := object(t, h.post("/api/embeddings/batch", body).Body, "processed", "failed", "errors", "time_ms")
		if batch["processed"] != 2.0 || batch["failed"] != 3.0 {
			t.Errorf("%v", batch)
		}
		failures := fmt.Sprint(batch["errors"])
		for _, want := range []string{`"gone": not found`, `"blank": has no text`, `"broken": could not be read`} {
			if !strings.Contains(failures, want) {
				t.Errorf("errors %s; expected %s", failures, want)
			}
		}
		if strings.Contains(failures, "/secret") || !strings.Contains(h.log.String(), "/secret/path: disk on fire") {
			t.Errorf("the reason belongs into the log, not into the answer: %s", failures)
		}
		if n := h.service.Texts.Load(); n != embedded {
			t.Errorf("%d texts were embedded; expected %d", n, embedded)
		}
	}
	rows, err := h.store.GetBySource(t.Context(), "attestation", "as-1", embedtest.Fingerprint)
	if err != nil || rows[0].Text != "pump-7 stopped hall 3" {
		t.Errorf("%v, error %v", rows, err)
	}
}

func TestAttestationsAsText(t *testing.T) {
	for _, test := range []struct {
		attestation server.Attestation
		text        string
	}{
		{server.Attestation{}, ""},
		{server.Attestation{Subjects: []string{"pump-7", "pump-8"}, Predicates: []string{"stopped"}, Contexts: []string{"in hall 3"},
			Attributes: map[string]any{"reason": "bearing noise", "operator": "Kim", "hours": 7.0, "parts": []any{"x"}, "empty": ""}},
			"pump-7, pump-8 stopped in hall 3\noperator: Kim\nreason: bearing noise"},
		{server.Attestation{Subjects: []string{"ALICE"}, Predicates: []string{"_"}, Contexts: []string{"_", " "}}, "ALICE"},
		{server.Attestation{Attributes: map[string]any{"note": "alone"}}, "note: alone"},
	} {
		if got := test.attestation.Text(); got != test.text {
			t.Errorf("%+v: %q; expected %q", test.attestation, got, test.text)
		}
	}
}

func TestEveryKindOfErrorHasItsStatus(t *testing.T) {
	for err, status := range map[error]int{
		embeddings.ErrNotCompiled:      503,
		embeddings.ErrABIVersion:       503,
		embeddings.ErrClosed:           503,
		embeddings.ErrCancelled:        503,
		embeddings.ErrModelNotFound:    503,
		embeddings.ErrModelInvalid:     503,
		embeddings.ErrModelUnsupported: 503,
		embeddings.ErrRuntimeNotFound:  503,
		embeddings.ErrRuntimeVersion:   503,
		embeddings.ErrOverloaded:       429,
		embeddings.ErrTooLong:          413,
		embeddings.ErrEmptyText:        400,
		embeddings.ErrInvalidUTF8:      400,
		embeddings.ErrInvalidArgument:  400,
		embeddings.ErrDimensions:       400,
		embeddings.ErrNotFound:         500, // nothing that a request names is looked up
		embeddings.ErrStore:            500,
		embeddings.ErrStoreVersion:     500,
		embeddings.ErrIO:               500,
		embeddings.ErrInference:        500,
		embeddings.ErrInternal:         500,
		errors.New("unknown"):          500,
	} {
		var log bytes.Buffer
		handler := server.New(server.Config{
			Service: &failing{err: fmt.Errorf("/secret/path: %w", err)},
			Store:   new(embedtest.Store),
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		})
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/api/search/semantic?q=a", nil))
		secret := strings.Contains(recorder.Body.String(), "/secret")
		logged := strings.Contains(log.String(), "/secret/path")
		if secret == (status >= 500) || logged != (status >= 500) {
			t.Errorf("%v: reason in the answer %v, in the log %v", err, secret, logged)
		}
		t.Run(err.Error(), func(t *testing.T) { isProblem(t, recorder, status, "") })
	}
}

// failing has a model, but fails to embed.
type failing struct {
	embedtest.Service
	err error
}

func (f *failing) Embed(context.Context, string, ...embeddings.EmbedOption) (*embeddings.EmbeddingResult, error) {
	return nil, f.err
}

func TestAServerWithoutItsPartsSaysSo(t *testing.T) {
	broken := &embedtest.Service{Err: fmt.Errorf("/secret/path: %w", embeddings.ErrInvalidArgument)}
	h := &host{handler: server.New(server.Config{Service: broken, Store: new(embedtest.Store)})}
	isProblem(t, h.get("/api/search/semantic?q=a"), 503, "the model is not available")

	h.handler = server.New(server.Config{Service: new(embedtest.Service)})
	isProblem(t, h.get("/api/search/semantic?q=a"), 503, "no store")
	isProblem(t, h.post("/api/embeddings/batch", `{"attestation_ids":["a"]}`), 503, "no store")
	if answer := h.post("/api/embeddings/generate", `{"text":"a"}`); answer.Code != 200 {
		t.Errorf("generate needs no store: %d %s", answer.Code, answer.Body)
	}

	h.handler = server.New(server.Config{Service: new(embedtest.Service), Store: new(embedtest.Store)})
	isProblem(t, h.post("/api/embeddings/batch", `{"attestation_ids":["a"]}`), 400, "no attestations")
}

func TestAHostMountsTheHandler(t *testing.T) {
	h := newHost()
	mux := http.NewServeMux()
	mux.Handle("/api/embeddings/", h.handler)
	mux.Handle("/embed/", http.StripPrefix("/embed", h.handler))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h.handler = mux
	if answer := h.post("/api/embeddings/generate", `{"text":"a"}`); answer.Code != 200 {
		t.Error(answer.Code)
	}
	if answer := h.get("/embed/api/search/semantic?q=a"); answer.Code != 200 {
		t.Error(answer.Code)
	}
	if answer := h.get("/elsewhere"); answer.Code != http.StatusTeapot {
		t.Error(answer.Code)
	}
}

func TestTheLogHasRequestsButNoTexts(t *testing.T) {
	h := newHost()
	h.get("/api/search/semantic?q=confidential")
	h.post("/api/embeddings/generate", `{"text":"confidential"}`)
	h.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"b","text":"confidential"}]}`)
	h.post("/api/embeddings/batch", `{"items":["confidential"]}`)
	log := h.log.String()
	if strings.Contains(log, "confidential") {
		t.Errorf("a text is in the log: %s", log)
	}
	if strings.Count(log, "msg=request") != 4 || strings.Count(log, "status=200") != 3 || !strings.Contains(log, "path=/api/search/semantic status=200") {
		t.Errorf("log: %s", log)
	}
}
