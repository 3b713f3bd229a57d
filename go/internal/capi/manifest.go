//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import "runtime"

// WriteManifest is qntx_embed_manifest_write.
func WriteManifest(directory string) (ManifestInfo, error) {
	return manifest(directory, func(directory C.qntx_embed_str, info *C.qntx_embed_manifest_info, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_manifest_write(directory, info, failed)
	})
}

// CheckManifest is qntx_embed_manifest_check.
func CheckManifest(directory string) (ManifestInfo, error) {
	return manifest(directory, func(directory C.qntx_embed_str, info *C.qntx_embed_manifest_info, failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_manifest_check(directory, info, failed)
	})
}

func manifest(directory string,
	f func(C.qntx_embed_str, *C.qntx_embed_manifest_info, **C.qntx_embed_error) C.qntx_embed_status) (ManifestInfo, error) {
	if err := abi(); err != nil {
		return ManifestInfo{}, err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	info := C.qntx_embed_manifest_info{size: C.sizeof_qntx_embed_manifest_info}
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return f(lend(&pin, directory), &info, failed)
	})
	if err != nil {
		return ManifestInfo{}, err
	}
	return ManifestInfo{Files: int(info.files), Fingerprint: C.GoString(&info.fingerprint[0])}, nil
}
