//go:build !(rustembeddings && cgo)

package embeddings_test

import (
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// TestMain leaves out the examples, which need the library.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.skip", "^Example"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestWithoutTheTagEveryCallGivesErrNotCompiled(t *testing.T) {
	ctx := t.Context()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		t.Fatal(err) // a host without the tag still starts
	}
	calls := map[string]error{"Init": service.Init(ctx), "Initialize": service.Initialize()}
	_, calls["ModelInfo"] = service.ModelInfo(ctx)
	_, calls["GetModelInfo"] = service.GetModelInfo()
	_, calls["CacheStats"] = service.CacheStats(ctx)
	_, calls["WriteManifest"] = embeddings.WriteManifest("models/all-MiniLM-L6-v2")
	_, calls["CheckManifest"] = embeddings.CheckManifest("models/all-MiniLM-L6-v2")
	_, calls["Embed"] = service.Embed(ctx, "x")
	_, calls["GenerateEmbedding"] = service.GenerateEmbedding("x")
	_, calls["EmbedBatch"] = service.EmbedBatch(ctx, []string{"x"})
	_, calls["GenerateBatchEmbeddings"] = service.GenerateBatchEmbeddings([]string{"x"})
	_, calls["HandleRequest"] = service.HandleRequest(ctx, &embeddings.EmbeddingRequest{Text: "x"})
	_, calls["HandleEmbeddingRequest"] = service.HandleEmbeddingRequest(&embeddings.EmbeddingRequest{Text: "x"})
	_, calls["SerializeEmbedding"] = service.SerializeEmbedding([]float32{1})
	_, calls["DeserializeEmbedding"] = service.DeserializeEmbedding([]byte{0, 0, 0, 0})
	_, calls["ComputeSimilarity"] = service.ComputeSimilarity([]float32{1}, []float32{1})
	_, calls["Split"] = service.Split(ctx, "x", embeddings.Chunking{})
	_, calls["OpenEmbeddingStore"] = embeddings.OpenEmbeddingStore(":memory:")
	_, calls["Project"] = embeddings.Project(ctx, [][]float32{{1}}, nil)
	_, calls["LibraryVersion"] = embeddings.LibraryVersion()
	for _, err := range service.EmbedSeq(ctx, slices.Values([]string{"x"})) {
		calls["EmbedSeq"] = err
	}
	for name, err := range calls {
		if !errors.Is(err, embeddings.ErrNotCompiled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := service.Close(); err != nil {
		t.Error(err)
	}
	if err := service.Init(ctx); !errors.Is(err, embeddings.ErrClosed) {
		t.Errorf("Init after Close: %v", err)
	}
}
