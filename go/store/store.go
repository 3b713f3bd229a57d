// Package store has what every engine behind [embeddings.Store] needs and none of them gives: the checks that make all
// stores refuse the same, and the arithmetic of a search that is the same whatever has found the rows. docs/engines.md
// says how an engine is added with it.
//
// Everything here is plain Go over plain values, keeps nothing, and may be used by any number of goroutines at once.
package store

import (
	"context"
	"fmt"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// invalid is an ErrInvalidArgument with a message.
func invalid(format string, args ...any) error {
	return refused(embeddings.ErrInvalidArgument, format, args...)
}

// refused is an error of a kind, with a message.
func refused(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{kind}, args...)...)
}

// Cancelled is nil while ctx is not done, and otherwise what every call of a store gives then.
func Cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	return nil
}

// timeFormat is that of created_at and updated_at in filters: its texts are in the order of the times.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Timestamp is a time as filters compare it: in UTC, to the millisecond, as a text whose order is that of time.
func Timestamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// Now is the time that a row is stamped with.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
