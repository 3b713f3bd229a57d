//go:build rustembeddings && cgo && qntx_static && !qntx_pkgconfig

package capi

// With the tag qntx_static: the static archive that `make install` put where pkg-config finds it. The program then needs
// ONNX Runtime's library only.

// #cgo pkg-config: qntx_embed-static
import "C"
