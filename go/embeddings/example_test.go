package embeddings_test

import (
	"context"
	"fmt"
	"log"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func Example() {
	ctx := context.Background()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore("notes.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	_, err = embeddings.Ingest(ctx, service, store, []embeddings.Item{
		{SourceType: "note", SourceID: "1", Text: "Press the red button to halt the motor."},
		{SourceType: "note", SourceID: "2", Text: "Lunch is at noon."},
	})
	if err != nil {
		log.Fatal(err)
	}

	query, err := service.Embed(ctx, "how do I stop the pump")
	if err != nil {
		log.Fatal(err)
	}
	model, err := service.ModelInfo(ctx)
	if err != nil {
		log.Fatal(err)
	}
	matches, err := store.Search(ctx, query.Vector, embeddings.SearchOptions{
		Fingerprint: model.Fingerprint,
		Limit:       3,
		Threshold:   0.3,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, match := range matches {
		fmt.Printf("%.2f %s\n", match.Similarity, match.Text)
	}
}
