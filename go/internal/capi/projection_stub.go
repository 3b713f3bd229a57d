//go:build !(rustembeddings && cgo)

package capi

import "context"

// Project gives ErrNotCompiled.
func Project(context.Context, []float32, int, func(done, total int)) ([]float32, error) {
	return nil, ErrNotCompiled
}

// Place gives ErrNotCompiled.
func Place([]float32, int, []float32, []float32) ([2]float32, error) {
	return [2]float32{}, ErrNotCompiled
}

// Revision gives ErrNotCompiled.
func (*Store) Revision() (uint64, error) { return 0, ErrNotCompiled }
