package embeddings_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// The examples run with the tag rustembeddings, in the repository's root.

func Example() {
	ctx := context.Background()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore(":memory:") // or a file's name
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

	query, err := service.EmbedQuery(ctx, "how do I stop the pump")
	if err != nil {
		log.Fatal(err)
	}
	model, err := service.ModelInfo(ctx)
	if err != nil {
		log.Fatal(err)
	}
	matches, err := store.Search(ctx, query, embeddings.SearchOptions{
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
	// Output: 0.60 Press the red button to halt the motor.
}

func ExampleManagedEmbeddingService_EmbedBatch() {
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	batch, err := service.EmbedBatch(context.Background(), []string{"cat", "kitten", "stock exchange"})
	if err != nil {
		log.Fatal(err)
	}
	for _, other := range batch.Results[1:] {
		similarity, err := service.ComputeSimilarity(batch.Results[0].Vector, other.Vector)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.2f\n", similarity)
	}
	// Output:
	// 0.79
	// 0.18
}

// Lines of a file of any size, embedded as they are read.
func ExampleManagedEmbeddingService_EmbedSeq() {
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	file := strings.NewReader("The first line.\nThe second one is longer.\n")
	lines := bufio.NewScanner(file)
	texts := func(yield func(string) bool) {
		for lines.Scan() && yield(lines.Text()) {
		}
	}
	for result, err := range service.EmbedSeq(context.Background(), texts, embeddings.WithPromptName(embeddings.PromptDocument)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(result.Vector), "dimensions,", result.Tokens, "tokens")
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 384 dimensions, 6 tokens
	// 384 dimensions, 8 tokens
}

// Items of any number, stored in batches: each is embedded and written as a whole.
func ExampleIngest() {
	ctx := context.Background()
	service, err := embeddings.NewManagedEmbeddingService("models/all-MiniLM-L6-v2")
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore(":memory:")
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
	file := strings.NewReader("The first line.\nThe second one.\nThe third one.\n")
	for lines, n := bufio.NewScanner(file), 1; lines.Scan(); n++ {
		batch = append(batch, embeddings.Item{SourceType: "line", SourceID: fmt.Sprint(n), Text: lines.Text()})
		if len(batch) == 256 {
			flush()
		}
	}
	flush()
	count, err := store.Count(ctx, embeddings.Selection{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(count, "rows")
	// Output: 3 rows
}

// Rows of some sources, in the order of their ids.
func ExampleEmbeddingStore_List() {
	ctx := context.Background()
	store, err := embeddings.OpenEmbeddingStore(":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	record := embeddings.Record{ID: "1", SourceType: "manual", SourceID: "pump", Text: "Press red.", Model: "m", Fingerprint: "f",
		Vector: []float32{1, 0}, Metadata: embeddings.Metadata{"year": 2020}}
	if _, err := store.Save(record); err != nil {
		log.Fatal(err)
	}
	recent := embeddings.And(embeddings.Eq(embeddings.FieldSourceType, "manual"), embeddings.Ge("metadata.year", 2019))
	for row, err := range store.List(ctx, embeddings.ListOptions{Selection: embeddings.Selection{Filter: recent}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ID, row.SourceID, row.Text)
	}
	// Output: 1 pump Press red.
}
