//go:build rustembeddings && cgo

package capi

// Maps of vectors.

/*
#include "qntx_embed.h"
*/
import "C"

import (
	"context"
	"runtime"
)

// Project is qntx_embed_project, ended when ctx is done: rows of so many dimensions, end to end, become two floats each.
func Project(ctx context.Context, vectors []float32, dimensions int, report func(done, total int)) ([]float32, error) {
	if err := whole(vectors, dimensions); err != nil {
		return nil, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	ctx, progress := newProgress(ctx, report)
	defer progress.end()
	cancel, done, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	options := C.qntx_embed_project_options{size: C.sizeof_qntx_embed_project_options, cancel: cancel}
	options.progress, options.progress_context = progress.lend(&pin)
	count := len(vectors) / dimensions
	points := make([]float32, 2*count)
	err = call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_project(floats(vectors), C.size_t(count), C.size_t(dimensions), &options,
			floats(points), C.size_t(len(points)), failed)
	})
	if err != nil {
		return nil, err
	}
	return points, nil
}

// Place is qntx_embed_project_place: where a vector lies on the map that Project made of these.
func Place(vectors []float32, dimensions int, points, vector []float32) (point [2]float32, err error) {
	if err := whole(vectors, dimensions); err != nil {
		return point, err
	}
	count := len(vectors) / dimensions
	if len(points) != 2*count || len(vector) != dimensions {
		return point, &Error{Dimensions, "the points are not two floats for each vector, or the vector is not of their dimensions"}
	}
	err = call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_project_place(floats(vectors), C.size_t(count), C.size_t(dimensions), floats(points),
			floats(vector), floats(point[:]), failed)
	})
	return point, err
}

// whole says whether vectors are rows of so many dimensions.
func whole(vectors []float32, dimensions int) error {
	if err := abi(); err != nil {
		return err
	}
	if dimensions < 1 || len(vectors)%dimensions != 0 {
		return &Error{Dimensions, "the vectors are not rows of their dimensions"}
	}
	return nil
}

// Revision is qntx_embed_store_revision.
func (s *Store) Revision() (uint64, error) {
	var revision C.uint64_t
	err := s.call(func(store *C.qntx_embed_store, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_revision(store, &revision, failed)
	})
	return uint64(revision), err
}
