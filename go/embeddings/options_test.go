package embeddings_test

import (
	"errors"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, make := range map[string]func() error{
		"no path":             func() error { _, err := embeddings.NewManagedEmbeddingService(""); return err },
		"negative threads":    option(embeddings.WithThreads(-1)),
		"negative max tokens": option(embeddings.WithMaxTokens(-1)),
		"negative format":     option(embeddings.WithFormat(-1)),
		"unknown format":      option(embeddings.WithFormat(embeddings.FormatONNX + 1)),
		"store without path":  func() error { _, err := embeddings.OpenEmbeddingStore(""); return err },
	} {
		if err := make(); !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := option(embeddings.WithThreads(2), embeddings.WithMaxTokens(64), embeddings.WithFormat(embeddings.FormatSafetensors),
		embeddings.WithONNXRuntime("x"))(); err != nil {
		t.Error(err)
	}
}

func option(options ...embeddings.Option) func() error {
	return func() error {
		_, err := embeddings.NewManagedEmbeddingService("directory", options...)
		return err
	}
}
