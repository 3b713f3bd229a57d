//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Model is a qntx_embed_model.
type Model struct {
	handle[*C.qntx_embed_model]
	info   ModelInfo
	inside atomic.Int32 // calls of Embed
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
		queue:       C.size_t(options.Queue),
		cache_bytes: C.size_t(options.CacheBytes),
		format:      C.uint32_t(options.Format),
		precision:   C.uint32_t(options.Precision),
	}
	log, context, endLog := lendLog(options.Log)
	native.log, native.log_context = log, context
	if options.RequireManifest {
		native.require_manifest = 1
	}
	var object *C.qntx_embed_model
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_open(lend(&pin, directory), &native, &object, failed)
	})
	if err != nil {
		endLog()
		return nil, err
	}
	m := new(Model)
	m.hold(object, func(object *C.qntx_embed_model) {
		C.qntx_embed_model_free(object)
		endLog()
	})
	info := C.qntx_embed_model_info{size: C.sizeof_qntx_embed_model_info}
	err = call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_get_info(object, &info, failed)
	})
	if err != nil {
		m.Close()
		return nil, err
	}
	m.info = ModelInfo{
		Name:              C.GoString(info.name),
		Fingerprint:       C.GoString(info.fingerprint),
		ONNXRuntime:       C.GoString(info.onnxruntime),
		Dimensions:        int(info.dimensions),
		FullDimensions:    int(info.full_dimensions),
		MaxTokens:         int(info.max_tokens),
		Precision:         Precision(info.precision),
		Prompts:           prompts(object),
		DefaultPromptName: C.GoString(info.default_prompt_name),
		HasModules:        info.has_modules != 0,
	}
	return m, nil
}

func prompts(object *C.qntx_embed_model) map[string]string {
	var count C.size_t
	list := unsafe.Slice(C.qntx_embed_model_prompts(object, &count), int(count))
	prompts := make(map[string]string, len(list))
	for _, prompt := range list {
		prompts[take(prompt.name)] = take(prompt.text)
	}
	return prompts
}

// Info is what the model is, also after Close.
func (m *Model) Info() ModelInfo { return m.info }

// Stats is qntx_embed_model_get_stats.
func (m *Model) Stats() (ModelStats, error) {
	stats := C.qntx_embed_model_stats{size: C.sizeof_qntx_embed_model_stats}
	err := m.call(func(model *C.qntx_embed_model, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_model_get_stats(model, &stats, failed)
	})
	return ModelStats{
		CacheHits:    uint64(stats.cache_hits),
		CacheMisses:  uint64(stats.cache_misses),
		CacheEntries: uint64(stats.cache_entries),
		CacheBytes:   uint64(stats.cache_bytes),
	}, err
}

// Embed is qntx_embed_embed_batch: one call for all texts, ended when ctx is done. The vectors lie end to end in one
// slice.
func (m *Model) Embed(ctx context.Context, texts []string, options EmbedOptions) ([]float32, []TextInfo, error) {
	dimensions := m.info.Dimensions
	if options.Dimensions > 0 {
		dimensions = options.Dimensions
	}
	if dimensions > m.info.FullDimensions { // so that no buffer is made for them
		return nil, nil, &Error{Code: Dimensions, Message: fmt.Sprintf(
			"%d dimensions cannot be had: the model '%s' gives 1 to %d", dimensions, m.info.Name, m.info.FullDimensions)}
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	arguments := C.qntx_embed_embed_options{
		size:        C.sizeof_qntx_embed_embed_options,
		prompt:      lend(&pin, options.Prompt),
		dimensions:  C.size_t(options.Dimensions),
		prompt_kind: C.uint32_t(options.PromptKind),
		truncate:    C.uint32_t(options.Truncate),
	}
	lent := make([]C.qntx_embed_str, len(texts))
	for i, text := range texts {
		lent[i] = lend(&pin, text)
	}
	vectors := make([]float32, len(texts)*dimensions)
	native := make([]C.qntx_embed_text_info, len(texts))
	var err error
	defer m.inside.Add(-1)
	if m.inside.Add(1) == 1 || options.Progress != nil {
		// Alone, and so a single text is computed by all threads; or told, by the thread that made the call, what is done.
		err = m.embedHere(ctx, lent, &arguments, options.Progress, vectors, native)
	} else {
		err = m.embedMeanwhile(ctx, lent, &arguments, vectors, native)
	}
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

// embedHere is qntx_embed_embed_batch: a thread of the system waits for it.
func (m *Model) embedHere(ctx context.Context, texts []C.qntx_embed_str, arguments *C.qntx_embed_embed_options,
	report func(done, total int), vectors []float32, infos []C.qntx_embed_text_info) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	ctx, progress := newProgress(ctx, report)
	defer progress.end()
	cancel, done, err := watch(ctx)
	if err != nil {
		return err
	}
	defer done()
	arguments.cancel = cancel
	arguments.progress, arguments.progress_context = progress.lend(&pin)
	return m.callUntil(ctx, func(model *C.qntx_embed_model, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_embed_batch(model, unsafe.SliceData(texts), C.size_t(len(texts)), arguments,
			floats(vectors), C.size_t(len(vectors)), unsafe.SliceData(infos), failed)
	})
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
