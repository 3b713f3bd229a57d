package embeddings

import (
	"context"
	"log/slog"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// WithLogger gives a model's lines to a logger: how long it took to open, and what ONNX Runtime warns of. No text of a user is
// in them. They come on any goroutine, until Close has returned. By default there are none; nothing is ever printed.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) error {
		o.Log = logTo(logger)
		return nil
	}
}

// WithStoreLogger gives a store's lines to a logger: migrations that were applied, damage that was found and repaired, indexes
// that were built in memory, or had no room there, and a slow opening. No text of a user is in them. They come on any goroutine,
// until Close has returned. The logger must not use the store.
func WithStoreLogger(logger *slog.Logger) StoreOption {
	return func(o *capi.StoreOptions) error {
		o.Log = logTo(logger)
		return nil
	}
}

func logTo(logger *slog.Logger) func(capi.LogLevel, string) {
	if logger == nil {
		return nil
	}
	return func(level capi.LogLevel, line string) {
		logger.Log(context.Background(), slogLevel(level), line)
	}
}

func slogLevel(level capi.LogLevel) slog.Level {
	switch level {
	case capi.LogError:
		return slog.LevelError
	case capi.LogWarning:
		return slog.LevelWarn
	case capi.LogInfo:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
