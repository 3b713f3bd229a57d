//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Model is a qntx_embed_model.
type Model struct {
	handle[*C.qntx_embed_model]
	info ModelInfo
}

// OpenModel is qntx_embed_model_open.
func OpenModel(directory string, options ModelOptions) (*Model, error) {
	if err := abi(); err != nil {
		return nil, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_model_options{
		size:        C.sizeof_qntx_embed_model_options,
		onnxruntime: lend(&pin, options.ONNXRuntime),
		max_tokens:  C.size_t(options.MaxTokens),
		threads:     C.size_t(options.Threads),
		format:      C.uint32_t(options.Format),
	}
	var object *C.qntx_embed_model
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_open(lend(&pin, directory), &native, &object, failed)
	})
	if err != nil {
		return nil, err
	}
	m := new(Model)
	m.hold(object, func(object *C.qntx_embed_model) { C.qntx_embed_model_free(object) })
	info := C.qntx_embed_model_info{size: C.sizeof_qntx_embed_model_info}
	err = call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_get_info(object, &info, failed)
	})
	if err != nil {
		m.Close()
		return nil, err
	}
	m.info = ModelInfo{
		Name:        C.GoString(info.name),
		Fingerprint: C.GoString(info.fingerprint),
		ONNXRuntime: C.GoString(info.onnxruntime),
		Dimensions:  int(info.dimensions),
		MaxTokens:   int(info.max_tokens),
	}
	return m, nil
}

// Info is what the model is, also after Close.
func (m *Model) Info() ModelInfo { return m.info }

// Embed is qntx_embed_embed_batch: one call for all texts, ended when ctx is done. The vectors lie end to end in one
// slice.
func (m *Model) Embed(ctx context.Context, texts []string) ([]float32, []TextInfo, error) {
	cancel, done, err := watch(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	options := C.qntx_embed_embed_options{size: C.sizeof_qntx_embed_embed_options, cancel: cancel}
	var pin runtime.Pinner
	defer pin.Unpin()
	lent := make([]C.qntx_embed_str, len(texts))
	for i, text := range texts {
		lent[i] = lend(&pin, text)
	}
	vectors := make([]float32, len(texts)*m.info.Dimensions)
	native := make([]C.qntx_embed_text_info, len(texts))
	err = m.call(func(model *C.qntx_embed_model, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_embed_batch(model, unsafe.SliceData(lent), C.size_t(len(lent)), &options,
			floats(vectors), C.size_t(len(vectors)), unsafe.SliceData(native), failed)
	})
	if err != nil {
		return nil, nil, err
	}
	infos := make([]TextInfo, len(native))
	for i, info := range native {
		infos[i] = TextInfo{
			Tokens:     int(info.tokens),
			FullTokens: int(info.full_tokens),
			Truncated:  info.truncated != 0,
		}
	}
	return vectors, infos, nil
}

// watch gives a token that ends calls when ctx is done (nil where it never is), and what frees it after the call.
func watch(ctx context.Context) (*C.qntx_embed_cancel, func(), error) {
	if ctx.Done() == nil {
		return nil, func() {}, nil
	}
	var token *C.qntx_embed_cancel
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_cancel_new(&token, failed)
	})
	if err != nil {
		return nil, nil, err
	}
	used := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		C.qntx_embed_cancel_now(token)
		close(used)
	})
	return token, func() {
		if !stop() {
			<-used // it has started, and must not meet a freed token
		}
		C.qntx_embed_cancel_free(token)
	}, nil
}
