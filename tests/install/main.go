// Command user is a program of somebody who has the module and the installed library.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func main() {
	ctx := context.Background()
	service, err := embeddings.NewManagedEmbeddingService(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	cat, err := service.Embed(ctx, "cat")
	if err != nil {
		log.Fatal(err)
	}
	kitten, err := service.Embed(ctx, "kitten")
	if err != nil {
		log.Fatal(err)
	}
	similarity, err := service.ComputeSimilarity(cat.Vector, kitten.Vector)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.4f\n", similarity)
}
