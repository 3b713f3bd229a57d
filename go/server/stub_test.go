//go:build !(rustembeddings && cgo)

package server_test

import (
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

func TestWithoutTheTagEveryRouteIsA503(t *testing.T) {
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{handler: server.New(server.Config{Service: service})}
	const detail = "compile with -tags=rustembeddings"
	isProblem(t, h.get("/api/search/semantic?q=a"), 503, detail)
	isProblem(t, h.get("/api/search/semantic"), 503, detail)
	isProblem(t, h.post("/api/embeddings/generate", `{"text":"a"}`), 503, detail)
	isProblem(t, h.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"b","text":"c"}]}`), 503, detail)
	isProblem(t, h.post("/api/embeddings/batch", ``), 503, detail)
	isProblem(t, h.get("/api/embeddings/batch"), 405, "GET")
}
