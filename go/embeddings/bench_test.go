//go:build rustembeddings && cgo

package embeddings_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// BenchmarkBatch embeds 1,000 short texts. It also says what part of that is not the network: a second call with the same
// texts, whose vectors the cache has, does all that Go does, and looks 1,000 texts up besides. benches/overhead.sh compares
// both with the same in C.
func BenchmarkBatch(b *testing.B) {
	service, err := embeddings.NewManagedEmbeddingService(testenv.Model(b),
		embeddings.WithONNXRuntime(testenv.ONNXRuntime(b)), embeddings.WithCache(1<<28))
	if err != nil {
		b.Fatal(err)
	}
	defer service.Close()
	ctx, cancel := context.WithCancel(context.Background()) // one that can end, as a server's
	defer cancel()
	var computed, known []time.Duration
	for n := 0; b.Loop(); n++ {
		texts := make([]string, 1000)
		for i := range texts {
			texts[i] = fmt.Sprintf("note %d of batch %d says that the pump stopped", i, n)
		}
		start := time.Now()
		if _, err := service.EmbedBatch(ctx, texts); err != nil {
			b.Fatal(err)
		}
		computed = append(computed, time.Since(start))
		start = time.Now()
		if _, err := service.EmbedBatch(ctx, texts); err != nil {
			b.Fatal(err)
		}
		known = append(known, time.Since(start))
	}
	slices.Sort(computed)
	slices.Sort(known)
	all, rest := computed[len(computed)/2].Seconds(), known[len(known)/2].Seconds()
	b.ReportMetric(100*rest/all, "%-not-network")
	b.ReportMetric(1000/all, "texts/s")
	b.ReportMetric(1e6*all, "us-computed")
	b.ReportMetric(1e6*rest, "us-known")
}
