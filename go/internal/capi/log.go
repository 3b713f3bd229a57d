//go:build rustembeddings && cgo

package capi

/*
#include <stdlib.h>
#include "qntx_embed.h"

void qntx_embed_go_log(void *context, uint32_t level, qntx_embed_str line);
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Each of these indices is out of range, and the package does not compile, where a number is not the header's.
var _ = [1]struct{}{}[0|
	C.QNTX_EMBED_LOG_ERROR^int(LogError)|
	C.QNTX_EMBED_LOG_WARNING^int(LogWarning)|
	C.QNTX_EMBED_LOG_INFO^int(LogInfo)]

// lendLog gives C a function and its context for an object's log, and what ends them when the object is freed. The context
// is C's memory, because C keeps it.
func lendLog(log func(LogLevel, string)) (*[0]byte, unsafe.Pointer, func()) {
	if log == nil {
		return nil, nil, func() {}
	}
	handle := cgo.NewHandle(log)
	context := C.malloc(C.size_t(unsafe.Sizeof(handle))) // it does not return where there is no memory
	*(*cgo.Handle)(context) = handle
	return (*[0]byte)(C.qntx_embed_go_log), context, func() {
		handle.Delete()
		C.free(context)
	}
}

//export qntx_embed_go_log
func qntx_embed_go_log(context unsafe.Pointer, level C.uint32_t, line C.qntx_embed_str) {
	// A panic must not unwind the library's frames, which would keep their locks; there is no call here that could go on
	// with it.
	defer func() { _ = recover() }()
	log := (*(*cgo.Handle)(context)).Value().(func(LogLevel, string))
	log(LogLevel(level), take(line))
}
