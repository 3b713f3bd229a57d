//go:build rustembeddings && cgo && qntx_pkgconfig && !qntx_static

package capi

// With the tag qntx_pkgconfig: the shared library that `make install` put where pkg-config finds it.

// #cgo pkg-config: qntx_embed
import "C"
