//go:build rustembeddings && cgo && !qntx_debug

package capi

func made(any)        {}
func freed(any)       {}
func beforeEachCall() {}
