// Package langchain embeds through langchaingo's interface.
package langchain

import (
	"os"
	"testing"

	langchain "github.com/tmc/langchaingo/embeddings"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

var _ langchain.Embedder = (*embeddings.ManagedEmbeddingService)(nil)

func dot(a, b []float32) (sum float32) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func TestAnEmbedderGivesVectorsThatCanBeCompared(t *testing.T) {
	service, err := embeddings.NewManagedEmbeddingService(os.Getenv("QNTX_EMBED_TEST_MODEL"),
		embeddings.WithONNXRuntime(os.Getenv("QNTX_EMBED_TEST_ONNXRUNTIME")))
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	var embedder langchain.Embedder = service
	documents, err := embedder.EmbedDocuments(t.Context(), []string{"Press the red button to halt the motor.", "Lunch is at noon."})
	if err != nil {
		t.Fatal(err)
	}
	query, err := embedder.EmbedQuery(t.Context(), "how do I stop the pump")
	if err != nil {
		t.Fatal(err)
	}
	if len(documents) != 2 || len(query) != 384 {
		t.Fatalf("%d documents, a query of %d dimensions", len(documents), len(query))
	}
	if near, far := dot(query, documents[0]), dot(query, documents[1]); near < far+0.2 {
		t.Errorf("%.3f and %.3f", near, far)
	}
}
