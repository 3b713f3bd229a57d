package embeddings_test

import (
	"errors"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, make := range map[string]func() error{
		"no path":               func() error { _, err := embeddings.NewManagedEmbeddingService(""); return err },
		"negative threads":      option(embeddings.WithThreads(-1)),
		"negative max tokens":   option(embeddings.WithMaxTokens(-1)),
		"negative queue":        option(embeddings.WithQueue(-1)),
		"negative cache":        option(embeddings.WithCache(-1)),
		"manifest without path": func() error { _, err := embeddings.CheckManifest(""); return err },
		"negative format":       option(embeddings.WithFormat(-1)),
		"unknown format":        option(embeddings.WithFormat(embeddings.FormatONNX + 1)),
		"negative precision":    option(embeddings.WithPrecision(-1)),
		"unknown precision":     option(embeddings.WithPrecision(embeddings.PrecisionInt8 + 1)),
		"store without path":    func() error { _, err := embeddings.OpenEmbeddingStore(""); return err },
		"negative memory": func() error {
			_, err := embeddings.OpenEmbeddingStore(":memory:", embeddings.WithMaxResidentBytes(-1))
			return err
		},
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

func TestOptionsOfACallThatMakeNoSenseAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		options []embeddings.EmbedOption
		kind    error
	}{
		"no prompt name":      {[]embeddings.EmbedOption{embeddings.WithPromptName("")}, embeddings.ErrInvalidArgument},
		"two kinds of prompt": {[]embeddings.EmbedOption{embeddings.WithPrompt(""), embeddings.WithPromptName("query")}, embeddings.ErrInvalidArgument},
		"negative truncation": {[]embeddings.EmbedOption{embeddings.WithTruncate(-1)}, embeddings.ErrInvalidArgument},
		"unknown truncation":  {[]embeddings.EmbedOption{embeddings.WithTruncate(embeddings.TruncateError + 1)}, embeddings.ErrInvalidArgument},
		"negative dimensions": {[]embeddings.EmbedOption{embeddings.WithDimensions(-1)}, embeddings.ErrDimensions},
	} {
		if settings, err := embeddings.NewEmbedSettings(test.options...); !errors.Is(err, test.kind) {
			t.Errorf("%s: %+v, error %v", name, settings, err)
		}
	}
	settings, err := embeddings.NewEmbedSettings(embeddings.WithPrompt("a"), embeddings.WithPrompt(""),
		embeddings.WithDimensions(8), embeddings.WithTruncate(embeddings.TruncateLeft), embeddings.WithProgress(nil))
	if err != nil || settings.Prompt == nil || *settings.Prompt != "" || settings.Dimensions != 8 || settings.Truncate != embeddings.TruncateLeft {
		t.Errorf("%+v, error %v", settings, err)
	}
}
