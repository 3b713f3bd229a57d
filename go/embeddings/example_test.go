package embeddings_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"

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

	query, err := service.Embed(ctx, "how do I stop the pump", embeddings.WithPromptName(embeddings.PromptQuery))
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
		Filter:      embeddings.Eq(embeddings.FieldSourceType, "note"),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, match := range matches {
		fmt.Printf("%.2f %s\n", match.Similarity, match.Text)
	}
}

// Lines of a file of any size, embedded as they are read.
func ExampleManagedEmbeddingService_EmbedSeq() {
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	lines := bufio.NewScanner(os.Stdin)
	texts := func(yield func(string) bool) {
		for lines.Scan() && yield(lines.Text()) {
		}
	}
	for result, err := range service.EmbedSeq(context.Background(), texts, embeddings.WithPromptName(embeddings.PromptDocument)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Vector)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

// Items of any number, stored in batches: each is embedded and written as a whole.
func ExampleIngest() {
	ctx := context.Background()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2", embeddings.WithRequireManifest())
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore("lines.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	var batch []embeddings.Item
	flush := func() {
		if _, err := embeddings.Ingest(ctx, service, store, batch); err != nil {
			log.Fatal(err)
		}
		batch = batch[:0]
	}
	for lines, n := bufio.NewScanner(os.Stdin), 1; lines.Scan(); n++ {
		batch = append(batch, embeddings.Item{SourceType: "line", SourceID: fmt.Sprint(n), Text: lines.Text()})
		if len(batch) == 256 {
			flush()
		}
	}
	flush()
}
