package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

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

// openStore opens the database that the flags name, which must be there; the caller closes it.
func openStore(f *flags) (*embeddings.EmbeddingStore, error) {
	if err := mustExist(f.db); err != nil {
		return nil, err
	}
	return embeddings.OpenEmbeddingStore(f.db)
}

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
