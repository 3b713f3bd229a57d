package embeddings

import (
	"context"
	"errors"
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// What can go wrong, for [errors.Is].
var (
	// ErrNotCompiled: this build has no native library; compile with -tags=rustembeddings, and cgo enabled.
	ErrNotCompiled = capi.ErrNotCompiled
	// ErrABIVersion: the library that was loaded has another ABI than the header this was compiled with.
	ErrABIVersion = capi.ErrABIVersion
	// ErrClosed: the service or store was used after its Close.
	ErrClosed = capi.ErrClosed

	// ErrInvalidArgument: an argument is not what the call takes.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrModelNotFound: the model directory, or a file that it must have, is not there.
	ErrModelNotFound = errors.New("model not found")
	// ErrModelInvalid: a file of the model is damaged or contradicts another.
	ErrModelInvalid = errors.New("model invalid")
	// ErrModelUnsupported: the model is well formed, but of a kind that the library does not run.
	ErrModelUnsupported = errors.New("model unsupported")
	// ErrRuntimeNotFound: no ONNX Runtime library was found, or it could not be loaded.
	ErrRuntimeNotFound = errors.New("ONNX Runtime not found")
	// ErrRuntimeVersion: the ONNX Runtime that was found is too old.
	ErrRuntimeVersion = errors.New("ONNX Runtime too old")
	// ErrEmptyText: a text is empty where that is refused.
	ErrEmptyText = errors.New("empty text")
	// ErrTooLong: a text has more tokens than the model takes, and truncation was not allowed.
	ErrTooLong = errors.New("text too long")
	// ErrInvalidUTF8: a text is not valid UTF-8.
	ErrInvalidUTF8 = errors.New("invalid UTF-8")
	// ErrDimensions: a vector has the wrong number of dimensions.
	ErrDimensions = errors.New("wrong number of dimensions")
	// ErrOverloaded: the queue is full; try again later.
	ErrOverloaded = errors.New("overloaded")
	// ErrCancelled: the call's context is done.
	ErrCancelled = errors.New("cancelled")
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrStore: the database file could not be opened, read or written.
	ErrStore = errors.New("store failed")
	// ErrStoreUnavailable: the engine behind the store cannot be reached, or too few of its nodes can; nothing is wrong with
	// the call, which may be made again later. An EmbeddingStore, which is a file, never gives it.
	ErrStoreUnavailable = errors.New("store not available")
	// ErrStoreVersion: the database was written by a newer version of the library, or by the original system (see
	// [MigrateEmbeddingStore]).
	ErrStoreVersion = errors.New("store of another version")
	// ErrIO: the operating system refused to read or write a file.
	ErrIO = errors.New("file could not be read or written")
	// ErrInference: ONNX Runtime failed while it ran the model.
	ErrInference = errors.New("inference failed")
	// ErrInternal: a bug in the library; please report the message.
	ErrInternal = errors.New("internal error")
)

// Code is the number of an [Error]: the header's qntx_embed_status, which never changes its meaning.
type Code int

var kinds = map[Code]error{
	Code(capi.InvalidArgument):  ErrInvalidArgument,
	Code(capi.ModelNotFound):    ErrModelNotFound,
	Code(capi.ModelInvalid):     ErrModelInvalid,
	Code(capi.ModelUnsupported): ErrModelUnsupported,
	Code(capi.RuntimeNotFound):  ErrRuntimeNotFound,
	Code(capi.RuntimeVersion):   ErrRuntimeVersion,
	Code(capi.EmptyText):        ErrEmptyText,
	Code(capi.TooLong):          ErrTooLong,
	Code(capi.InvalidUTF8):      ErrInvalidUTF8,
	Code(capi.Dimensions):       ErrDimensions,
	Code(capi.Overloaded):       ErrOverloaded,
	Code(capi.Cancelled):        ErrCancelled,
	Code(capi.NotFound):         ErrNotFound,
	Code(capi.StoreFailure):     ErrStore,
	Code(capi.StoreVersion):     ErrStoreVersion,
	Code(capi.IO):               ErrIO,
	Code(capi.Inference):        ErrInference,
	Code(capi.Internal):         ErrInternal,
}

// Error is a failure that the library reported.
type Error struct {
	// Code is what kind of failure it is; errors.Is knows it by name.
	Code Code
	// Message is a sentence for people. Its wording may change.
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap is the Err variable of the code; nil for a code that is newer than this package.
func (e *Error) Unwrap() error { return kinds[e.Code] }

// public makes a failure of the library one of this package.
func public(err error) error {
	if failure, ok := errors.AsType[*capi.Error](err); ok {
		return &Error{Code: Code(failure.Code), Message: failure.Error()}
	}
	return err
}

// invalid is an ErrInvalidArgument that was found on this side of the library.
func invalid(format string, args ...any) error {
	return &Error{Code: Code(capi.InvalidArgument), Message: fmt.Sprintf(format, args...)}
}

// cancelled is nil while ctx is not done.
func cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrCancelled, err)
	}
	return nil
}
