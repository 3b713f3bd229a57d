package main

import (
	"context"

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
