package weaviate_test

import (
	"context"
	"fmt"
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
	embedtest.TestStore(t, func(t *testing.T) embeddings.Store { return open(t, cluster, "write=all") })
}
