package embeddings

import "github.com/teranos/libqntx_embed/go/internal/capi"

// Format says which of a model directory's networks to run.
type Format int

const (
	// FormatAuto runs the weights where their architecture is known, otherwise the ONNX file. It is the default.
	FormatAuto = Format(capi.FormatAuto)
	// FormatSafetensors runs model.safetensors, or fails.
	FormatSafetensors = Format(capi.FormatSafetensors)
	// FormatONNX runs onnx/model.onnx or model.onnx, or fails.
	FormatONNX = Format(capi.FormatONNX)
)

// Option changes how [NewManagedEmbeddingService] opens a model.
type Option func(*options) error

type options capi.ModelOptions

// WithONNXRuntime names ONNX Runtime's library file, or a directory that has it. By default the environment variable
// QNTX_EMBED_ONNXRUNTIME names it, or it lies beside libqntx_embed, or the system's loader finds it, in this order. A
// process can hold only one ONNX Runtime.
func WithONNXRuntime(path string) Option {
	return func(o *options) error {
		o.ONNXRuntime = path
		return nil
	}
}

// WithThreads sets how many threads compute, the caller's included. The default, 0, is one for each processor.
func WithThreads(n int) Option {
	return func(o *options) error {
		if n < 0 {
			return invalid("WithThreads(%d): expected 0 (one for each processor) or more", n)
		}
		o.Threads = n
		return nil
	}
}

// WithMaxTokens sets how many tokens of a text are used, special ones counted; the rest is cut off. The default, 0, is
// what the model directory says. Texts longer than that get other vectors than without this option, under the same
// fingerprint: do not mix both in one store.
func WithMaxTokens(n int) Option {
	return func(o *options) error {
		if n < 0 {
			return invalid("WithMaxTokens(%d): expected 0 (what the model says) or more", n)
		}
		o.MaxTokens = n
		return nil
	}
}

// WithFormat sets which of the directory's networks to run. The default is [FormatAuto].
func WithFormat(format Format) Option {
	return func(o *options) error {
		if format < FormatAuto || format > FormatONNX {
			return invalid("WithFormat(%d): expected FormatAuto, FormatSafetensors or FormatONNX", format)
		}
		o.Format = capi.Format(format)
		return nil
	}
}
