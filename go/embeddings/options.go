package embeddings

import (
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

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

// Precision says how a network computes.
type Precision int

const (
	// PrecisionFP32 computes in 32-bit floats, as the reference does. It is the default.
	PrecisionFP32 = Precision(capi.PrecisionFP32)
	// PrecisionInt8 computes the linear layers in 8 bits.
	PrecisionInt8 = Precision(capi.PrecisionInt8)
)

// String is the precision in a word, as the flag --precision takes it.
func (p Precision) String() string {
	switch p {
	case PrecisionFP32:
		return "fp32"
	case PrecisionInt8:
		return "int8"
	}
	return fmt.Sprintf("Precision(%d)", int(p))
}

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

// WithQueue sets how many texts of other calls may wait when a call joins them; past it the call is an [ErrOverloaded]. The
// default, 0, is 100,000. A call that comes alone may have any number. Calls with [WithProgress] are counted when it is their turn
// to be in the library.
func WithQueue(texts int) Option {
	return func(o *options) error {
		if texts < 0 {
			return invalid("WithQueue(%d): expected 0 (for 100,000) or more", texts)
		}
		o.Queue = texts
		return nil
	}
}

// WithCache keeps the vectors of texts that came before, in so many bytes at most: a text that comes again, with the same
// options, is not computed again, and its vector is the same. The default, 0, is no cache. [ManagedEmbeddingService.CacheStats]
// says what it does.
func WithCache(bytes int) Option {
	return func(o *options) error {
		if bytes < 0 {
			return invalid("WithCache(%d): expected 0 (none) or more bytes", bytes)
		}
		o.CacheBytes = bytes
		return nil
	}
}

// WithRequireManifest opens only a directory that is as its manifest says (see [WriteManifest]); all its files are compared
// before any of them is parsed. A directory without a manifest is an ErrModelNotFound, one that differs an
// ErrModelInvalid.
func WithRequireManifest() Option {
	return func(o *options) error {
		o.RequireManifest = true
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

// WithPrecision sets how the network computes. [PrecisionInt8] is faster (docs/performance.md has the figures) and takes less
// memory; its vectors have a mean cosine of 0.9997 to those of [PrecisionFP32], the default, the same fingerprint, and can be
// compared with them. It is for networks from weights: an ONNX file is an ErrModelUnsupported.
func WithPrecision(precision Precision) Option {
	return func(o *options) error {
		if precision < PrecisionFP32 || precision > PrecisionInt8 {
			return invalid("WithPrecision(%d): expected PrecisionFP32 or PrecisionInt8", precision)
		}
		o.Precision = capi.Precision(precision)
		return nil
	}
}
