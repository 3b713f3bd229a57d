package weaviate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/clustertest"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/store/weaviate"
)

var stores atomic.Int64

// open makes an empty store in a cluster and empties it at the end.
func open(t testing.TB, cluster *clustertest.Cluster, query string, options ...weaviate.Option) *weaviate.Store {
	t.Helper()
	store, err := weaviate.Open(cluster.URL(fmt.Sprintf("%s&prefix=Test%d", query, stores.Add(1))), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Drop(context.Background()); err != nil {
			t.Logf("the collections stay: %v", err)
		}
		store.Close()
	})
	return store
}

func TestAClusterIsAStore(t *testing.T) {
	cluster := clustertest.Start(t)
	opens := func(query string) func(t *testing.T) embeddings.Store {
		return func(t *testing.T) embeddings.Store { return open(t, cluster, query) }
	}
	t.Run("three replicas", func(t *testing.T) { embedtest.TestStore(t, opens("write=all")) })
	// Of which the engine knows no levels of consistency.
	t.Run("one replica", func(t *testing.T) { embedtest.TestStore(t, opens("shards=3&replicas=1"), embedtest.WordsByShard) })
}

// vectors are around some hundred directions, as those of texts are.
func vectors(random *rand.Rand, n, dimensions int) [][]float32 {
	directions := make([][]float32, 200)
	for i := range directions {
		directions[i] = make([]float32, dimensions)
		for j := range dimensions {
			directions[i][j] = float32(random.NormFloat64())
		}
	}
	made := make([][]float32, n)
	for i := range made {
		made[i] = make([]float32, dimensions)
		near := directions[random.IntN(len(directions))]
		for j := range dimensions {
			made[i][j] = near[j] + float32(random.NormFloat64())
		}
	}
	return made
}

func TestASearchFindsWhatAnExactOneFinds(t *testing.T) {
	const rows, dimensions, queries, wanted = 6000, 96, 100, 10
	cluster := clustertest.Start(t)
	store, exact := open(t, cluster, "write=all&shards=2"), new(embedtest.Store)
	random := rand.New(rand.NewPCG(7, 8))
	all := vectors(random, rows+queries, dimensions)
	var records []embeddings.Record
	for i, vector := range all[:rows] {
		records = append(records, embeddings.Record{
			SourceType: "note", SourceID: fmt.Sprint(i), Text: "x", Model: "m", Fingerprint: "f", Vector: vector, Metadata: embeddings.Metadata{"n": i % 100},
		})
	}
	for batch := range slices.Chunk(records, 500) {
		if _, err := store.Put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exact.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for name, filter := range map[string]embeddings.Filter{
		"all": {}, "a tenth": embeddings.Lt(embeddings.Meta("n"), 10), "most": embeddings.Ge(embeddings.Meta("n"), 10),
	} {
		same := 0
		for _, query := range all[rows:] {
			options := embeddings.SearchOptions{Fingerprint: "f", Limit: wanted, Threshold: -1, Filter: filter, WithoutVectors: true}
			found, err := store.Search(t.Context(), query, options)
			if err != nil {
				t.Fatal(err)
			}
			right, err := exact.Search(t.Context(), query, options)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range right {
				if slices.ContainsFunc(found, func(f embeddings.Match) bool { return f.SourceID == m.SourceID }) {
					same++
				}
			}
		}
		recall := float64(same) / (queries * wanted)
		t.Logf("recall@%d over %d rows, %s: %.4f", wanted, rows, name, recall)
		if recall < 0.99 {
			t.Errorf("recall@%d over %s is %.4f; expected 0.99", wanted, name, recall)
		}
	}
}

func TestWhatTheEngineCannotDoIsRefusedByName(t *testing.T) {
	cluster := clustertest.Start(t)
	store := open(t, cluster, "write=all")
	one := embeddings.Record{SourceType: "note", SourceID: "a", Text: "x", Model: "m", Fingerprint: "f", Vector: []float32{1, 0}}
	if _, err := store.Put(t.Context(), []embeddings.Record{one}); err != nil {
		t.Fatal(err)
	}
	one.SourceID, one.Vector = "b", []float32{1, 0, 0}
	if _, err := store.Put(t.Context(), []embeddings.Record{one}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "2 dimensions") {
		t.Errorf("vectors of another size: %v", err)
	}
	if found, err := store.Search(t.Context(), one.Vector, embeddings.SearchOptions{Fingerprint: "f"}); err != nil || len(found) != 0 {
		t.Errorf("a query of another size: %v, error %v", found, err)
	}

	// More chunks of one source than a search sees.
	var records []embeddings.Record
	for i := range 10_050 {
		records = append(records, embeddings.Record{
			SourceType: "note", SourceID: "long", Chunk: i, Text: "x", Model: "m", Fingerprint: "g", Vector: []float32{1, float32(i) / 1e5},
		})
	}
	other := one
	other.Fingerprint, other.Vector = "g", []float32{0, 1}
	for batch := range slices.Chunk(append(records, other), 1000) {
		if _, err := store.Put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	_, err := store.Search(t.Context(), []float32{1, 0}, embeddings.SearchOptions{Fingerprint: "g", Limit: 2, GroupBySource: true, Threshold: -1})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "10000 rows") {
		t.Errorf("two sources, of which one has all rows that are seen: %v", err)
	}

	// And what has more rows than one call of the engine deletes.
	outcomes, deleted, err := store.PutSources(t.Context(), []embeddings.Record{records[7]})
	if err != nil || deleted != 10_049 || outcomes[0] != embeddings.Unchanged {
		t.Errorf("%v, %d deleted, error %v", outcomes, deleted, err)
	}
	if n, err := store.Count(t.Context(), embeddings.Selection{Fingerprint: "g"}); n != 2 || err != nil {
		t.Error(n, err)
	}
}
