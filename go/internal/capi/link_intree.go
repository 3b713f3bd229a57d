//go:build rustembeddings && cgo && !qntx_pkgconfig && !qntx_static

package capi

// How this module finds the library: in the repository that both lie in, where `make lib` builds it.

/*
#cgo CFLAGS: -I${SRCDIR}/../../../include
#cgo LDFLAGS: -L${SRCDIR}/../../../target/release -lqntx_embed -Wl,-rpath,${SRCDIR}/../../../target/release
*/
import "C"
