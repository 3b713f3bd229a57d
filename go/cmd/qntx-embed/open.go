package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// newService is the model that the flags name, not yet opened.
func newService(f *flags) (*embeddings.ManagedEmbeddingService, error) {
	opts := append(f.open, embeddings.WithONNXRuntime(f.onnxruntime))
	if f.manifest {
		opts = append(opts, embeddings.WithRequireManifest())
	}
	return embeddings.NewManagedEmbeddingService(f.model, opts...)
}

// openService opens the model that the flags name; the caller closes it.
func openService(ctx context.Context, f *flags) (*embeddings.ManagedEmbeddingService, error) {
	service, err := newService(f)
	if err != nil {
		return nil, err
	}
	if err := service.Init(ctx); err != nil {
		return nil, err
	}
	return service, nil
}

// anyStore is the database, or what stands in its place.
type anyStore interface {
	embeddings.SourceStore
	io.Closer
}

// openAny opens the store that the flags name, and makes it where it is missing; the caller closes it. The options are those
// of a file.
func openAny(f *flags, options ...embeddings.StoreOption) (anyStore, error) {
	if f.cluster.url != "" {
		return f.cluster.open(f.cluster.url)
	}
	return openFile(f, options...)
}

// openThere is openAny of what must be there.
func openThere(f *flags) (anyStore, error) {
	if err := mustBeThere(f); err != nil {
		return nil, err
	}
	return openAny(f)
}

// mustBeThere is nil for a cluster: only a call tells what there is.
func mustBeThere(f *flags) error {
	if f.cluster.url != "" {
		return nil
	}
	return mustExist(f.db)
}

// openFile opens the database, and makes it where it is missing. An interface would have a nil pointer in it after an error.
func openFile(f *flags, options ...embeddings.StoreOption) (anyStore, error) {
	store, err := embeddings.OpenEmbeddingStore(f.db, append(slices.Clone(f.store), options...)...)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// openStore opens the database file that the flags name, which must be there; the caller closes it.
func openStore(f *flags) (*embeddings.EmbeddingStore, error) {
	if err := onlyFiles(f); err != nil {
		return nil, err
	}
	if err := mustExist(f.db); err != nil {
		return nil, err
	}
	return embeddings.OpenEmbeddingStore(f.db)
}

// onlyFiles refuses what a cluster's own tools do.
func onlyFiles(f *flags) error {
	if f.cluster.url == "" {
		return nil
	}
	return fmt.Errorf("this is for a database file, and --store names '%s' (%w); Weaviate's own tools look after it, and "+
		"qntx-embed copy brings its rows into a file", f.cluster.url, errors.ErrUnsupported)
}

// place is what the store is called in messages.
func (f *flags) place() string { return cmp.Or(f.cluster.url, f.db) }

// mustExist refuses a database that opening would make: in a new one nothing is found, and nothing says so.
func mustExist(db string) error {
	if _, err := os.Stat(db); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database '%s'; qntx-embed ingest makes one, --db names another", db)
	}
	return nil
}

// withStoreAlone runs a command that takes no arguments and needs the database, but no model.
func withStoreAlone(f *flags, args []string, run func(store *embeddings.EmbeddingStore) error) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	store, err := openStore(f)
	if err != nil {
		return err
	}
	defer store.Close()
	return run(store)
}
