package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

func TestReadyEmbedsButNotForEveryoneWhoAsks(t *testing.T) {
	h := newHost()
	for range 10 {
		if answer := h.get("/readyz"); answer.Code != 200 || answer.Body.String() != `{"status":"ready"}`+"\n" {
			t.Fatal(answer.Code, answer.Body)
		}
	}
	if n := h.service.Texts.Load(); n != 1 {
		t.Errorf("%d texts embedded; expected 1", n)
	}
	broken := newHost(func(c *server.Config) {
		c.Service = &embedtest.Service{Err: fmt.Errorf("/secret/path: %w", embeddings.ErrModelNotFound)}
	})
	isProblem(t, broken.get("/readyz"), 503, "the model is not available")
	for _, path := range []string{"/livez", "/healthz"} {
		if answer := broken.get(path); answer.Code != 200 || answer.Body.String() != `{"status":"alive"}`+"\n" {
			t.Error(path, answer.Code, answer.Body)
		}
	}
	isProblem(t, h.get("/livez?verbose=1"), 400, `unknown parameter "verbose"`)
}

func TestInfoTellsOfModelAndStore(t *testing.T) {
	h := newHost()
	h.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"b","text":"c"}]}`)
	info := object(t, h.get("/api/embeddings/info").Body, "model", "rows", "index")
	model := info["model"].(map[string]any)
	if info["rows"] != 1.0 || model["name"] != "fake" || model["fingerprint"] != embedtest.Fingerprint || model["max_tokens"] != 32.0 || model["precision"] != "fp32" {
		t.Errorf("%v", info)
	}
	h = newHost(func(c *server.Config) { c.Store = nil })
	if info := object(t, h.get("/api/embeddings/info").Body, "model", "rows", "index"); info["rows"] != nil || info["index"] != nil {
		t.Errorf("%v", info)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	h := newHost()
	h.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"b","text":"one two"},{"source_type":"a","source_id":"c","text":"three"}]}`)
	h.get("/api/search/semantic?q=a")
	h.get("/api/search/semantic?q=")
	h.get("/nowhere/42")
	metrics := h.get("/metrics").Body.String()
	for _, want := range []string{
		`qntx_embed_http_requests_total{method="POST",route="/api/embeddings/batch",status="200"} 1`,
		`qntx_embed_http_requests_total{method="GET",route="/api/search/semantic",status="200"} 1`,
		`qntx_embed_http_requests_total{method="GET",route="/api/search/semantic",status="400"} 1`,
		`qntx_embed_http_requests_total{method="GET",route="other",status="404"} 1`,
		`qntx_embed_http_request_seconds_count{route="/api/embeddings/batch"} 1`,
		`qntx_embed_texts_total 3`,
		`qntx_embed_tokens_total 10`,
		`qntx_embed_batch_tokens_sum 10`,
		`qntx_embed_inference_seconds_count 2`,
		`qntx_embed_search_seconds_count 1`,
		`qntx_embed_http_in_flight 0`,
		`qntx_embed_rows 2`,
		`qntx_embed_model_info{fingerprint="fake-fingerprint",name="fake",onnxruntime="",precision="fp32"} 1`,
		`process_resident_memory_bytes`,
		`go_goroutines`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
}

func TestTextsAreInTheLogWhereThatIsAskedFor(t *testing.T) {
	h := newHost(func(c *server.Config) { c.LogTexts = true })
	h.get("/api/search/semantic?q=confidential")
	if !strings.Contains(h.log.String(), "texts=[confidential]") {
		t.Error(h.log)
	}
}
