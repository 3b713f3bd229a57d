// Package chromem fills and searches a collection of chromem-go with vectors of ours.
package chromem

import (
	"os"
	"runtime"
	"testing"

	"github.com/philippgille/chromem-go"
	"github.com/teranos/libqntx_embed/go/embeddings"
)

var _ chromem.EmbeddingFunc = (*embeddings.ManagedEmbeddingService)(nil).EmbedDocument

func TestACollectionFindsWhatMeansTheSame(t *testing.T) {
	service, err := embeddings.NewManagedEmbeddingService(os.Getenv("QNTX_EMBED_TEST_MODEL"),
		embeddings.WithONNXRuntime(os.Getenv("QNTX_EMBED_TEST_ONNXRUNTIME")))
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	collection, err := chromem.NewDB().CreateCollection("notes", nil, service.EmbedDocument)
	if err != nil {
		t.Fatal(err)
	}
	err = collection.AddDocuments(t.Context(), []chromem.Document{
		{ID: "pump", Content: "Press the red button to halt the motor."},
		{ID: "lunch", Content: "Lunch is at noon."},
		{ID: "rain", Content: "It rained all night."},
	}, runtime.NumCPU())
	if err != nil {
		t.Fatal(err)
	}

	found, err := collection.Query(t.Context(), "how do I stop the pump", 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found[0].ID != "pump" {
		t.Errorf("%+v", found)
	}

	query, err := service.EmbedQuery(t.Context(), "how do I stop the pump")
	if err != nil {
		t.Fatal(err)
	}
	byVector, err := collection.QueryEmbedding(t.Context(), query, 1, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// This model has no prompts, so both ways ask the same.
	if byVector[0].ID != "pump" || byVector[0].Similarity != found[0].Similarity {
		t.Errorf("%+v, and by its vector %+v", found, byVector)
	}
}
