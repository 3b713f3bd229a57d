//go:build rustembeddings && cgo

package capi

/*
#include "qntx_embed.h"
*/
import "C"

import "runtime"

// Migrate is qntx_embed_store_migrate; it gives its JSON.
func Migrate(path string, options MigrateOptions) (string, error) {
	if err := abi(); err != nil {
		return "", err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	native := C.qntx_embed_migrate_options{
		size:   C.sizeof_qntx_embed_migrate_options,
		backup: lend(&pin, options.Backup),
	}
	if options.Apply {
		native.apply = 1
	}
	if options.WithoutBackup {
		native.without_backup = 1
	}
	var text *C.qntx_embed_text
	err := call(func(failed **C.qntx_embed_error) C.qntx_embed_status {
		return C.qntx_embed_store_migrate(lend(&pin, path), &native, &text, failed)
	})
	if err != nil {
		return "", err
	}
	defer C.qntx_embed_text_free(text)
	return C.GoString(C.qntx_embed_text_get(text)), nil
}
