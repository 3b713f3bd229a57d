//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// Each of these indices is out of range, and the package does not compile, where a number is not the header's.
var _ = [1]struct{}{}[0|
	C.QNTX_EMBED_STATUS_INVALID_ARGUMENT^int(InvalidArgument)|
	C.QNTX_EMBED_STATUS_MODEL_NOT_FOUND^int(ModelNotFound)|
	C.QNTX_EMBED_STATUS_MODEL_INVALID^int(ModelInvalid)|
	C.QNTX_EMBED_STATUS_MODEL_UNSUPPORTED^int(ModelUnsupported)|
	C.QNTX_EMBED_STATUS_RUNTIME_NOT_FOUND^int(RuntimeNotFound)|
	C.QNTX_EMBED_STATUS_RUNTIME_VERSION^int(RuntimeVersion)|
	C.QNTX_EMBED_STATUS_EMPTY_TEXT^int(EmptyText)|
	C.QNTX_EMBED_STATUS_TOO_LONG^int(TooLong)|
	C.QNTX_EMBED_STATUS_INVALID_UTF8^int(InvalidUTF8)|
	C.QNTX_EMBED_STATUS_DIMENSIONS^int(Dimensions)|
	C.QNTX_EMBED_STATUS_OVERLOADED^int(Overloaded)|
	C.QNTX_EMBED_STATUS_CANCELLED^int(Cancelled)|
	C.QNTX_EMBED_STATUS_NOT_FOUND^int(NotFound)|
	C.QNTX_EMBED_STATUS_STORE^int(StoreFailure)|
	C.QNTX_EMBED_STATUS_STORE_VERSION^int(StoreVersion)|
	C.QNTX_EMBED_STATUS_IO^int(IO)|
	C.QNTX_EMBED_STATUS_INFERENCE^int(Inference)|
	C.QNTX_EMBED_STATUS_INTERNAL^int(Internal)]

var _ = [1]struct{}{}[0|
	C.QNTX_EMBED_FORMAT_AUTO^int(FormatAuto)|
	C.QNTX_EMBED_FORMAT_SAFETENSORS^int(FormatSafetensors)|
	C.QNTX_EMBED_FORMAT_ONNX^int(FormatONNX)|
	C.QNTX_EMBED_PRECISION_FP32^int(PrecisionFP32)|
	C.QNTX_EMBED_PRECISION_INT8^int(PrecisionInt8)|
	C.QNTX_EMBED_PROMPT_DEFAULT^int(PromptDefault)|
	C.QNTX_EMBED_PROMPT_NAMED^int(PromptNamed)|
	C.QNTX_EMBED_PROMPT_TEXT^int(PromptText)|
	C.QNTX_EMBED_TRUNCATE_DEFAULT^int(TruncateDefault)|
	C.QNTX_EMBED_TRUNCATE_RIGHT^int(TruncateRight)|
	C.QNTX_EMBED_TRUNCATE_LEFT^int(TruncateLeft)|
	C.QNTX_EMBED_TRUNCATE_ERROR^int(TruncateError)|
	C.QNTX_EMBED_OUTCOME_INSERTED^int(Inserted)|
	C.QNTX_EMBED_OUTCOME_REPLACED^int(Replaced)|
	C.QNTX_EMBED_OUTCOME_UNCHANGED^int(Unchanged)]

// abi is ErrABIVersion, once and for all, where the loaded library is not the header's.
var abi = sync.OnceValue(func() error {
	return sameABI(uint32(C.qntx_embed_abi_version()), C.QNTX_EMBED_ABI_VERSION)
})

func sameABI(library, header uint32) error {
	if library != header {
		return fmt.Errorf("%w: the library's is %d, the header's %d; build and load the same version of both",
			ErrABIVersion, library, header)
	}
	return nil
}

// call makes one call of the library and turns its failure into an *Error.
func call(f func(failed **C.qntx_embed_error) C.qntx_embed_status) error {
	var failed *C.qntx_embed_error
	status := f(&failed)
	if status == C.QNTX_EMBED_STATUS_OK {
		return nil
	}
	defer C.qntx_embed_error_free(failed)
	return &Error{Code: Code(status), Message: C.GoString(C.qntx_embed_error_message(failed))}
}

// lend gives C a view of a string, valid until pin is unpinned.
func lend(pin *runtime.Pinner, s string) C.qntx_embed_str {
	if s == "" {
		return C.qntx_embed_str{} // a pointer to no bytes may point anywhere
	}
	data := unsafe.StringData(s)
	pin.Pin(data)
	return C.qntx_embed_str{ptr: (*C.char)(unsafe.Pointer(data)), len: C.size_t(len(s))}
}

// take copies a text of the library's.
func take(s C.qntx_embed_str) string {
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(s.ptr)), int(s.len)))
}

// floats gives C a view of numbers for one call; cgo itself pins what is passed directly.
func floats(v []float32) *C.float {
	return (*C.float)(unsafe.Pointer(unsafe.SliceData(v)))
}

// Version is the library's, such as "0.1.0".
func Version() (string, error) {
	if err := abi(); err != nil {
		return "", err
	}
	return C.GoString(C.qntx_embed_version()), nil
}

// Serialize is qntx_embed_blob_serialize.
func Serialize(vector []float32) ([]byte, error) {
	if err := abi(); err != nil {
		return nil, err
	}
	var blob C.qntx_embed_blob
	defer C.qntx_embed_blob_free(&blob)
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_blob_serialize(floats(vector), C.size_t(len(vector)), &blob, failed)
	})
	if err != nil {
		return nil, err
	}
	bytes := make([]byte, int(blob.len))
	copy(bytes, unsafe.Slice((*byte)(unsafe.Pointer(blob.data)), int(blob.len)))
	return bytes, nil
}

// Deserialize is qntx_embed_blob_deserialize.
func Deserialize(blob []byte) ([]float32, error) {
	if err := abi(); err != nil {
		return nil, err
	}
	vector := make([]float32, len(blob)/4)
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_blob_deserialize((*C.uint8_t)(unsafe.SliceData(blob)), C.size_t(len(blob)),
			floats(vector), C.size_t(len(vector)), failed)
	})
	if err != nil {
		return nil, err
	}
	return vector, nil
}

// Similarity is qntx_embed_similarity.
func Similarity(a, b []float32) (float32, error) {
	if err := abi(); err != nil {
		return 0, err
	}
	if len(a) != len(b) { // C takes one length for both
		return 0, &Error{Code: Dimensions, Message: fmt.Sprintf(
			"cannot compare a vector of %d dimensions with one of %d", len(a), len(b))}
	}
	var similarity C.float
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_similarity(floats(a), floats(b), C.size_t(len(a)), &similarity, failed)
	})
	return float32(similarity), err
}
