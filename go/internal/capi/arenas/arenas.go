//go:build rustembeddings && cgo

package arenas

/*
#include <stdlib.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>

// Before main: each thread that Go's runtime starts takes an arena at once, and one that is there already stays in use.
__attribute__((constructor)) static void qntx_embed_limit_arenas(void) {
	if (getenv("MALLOC_ARENA_MAX") == NULL) {
		long processors = sysconf(_SC_NPROCESSORS_ONLN);
		(void)mallopt(M_ARENA_MAX, processors > 2 ? (int)processors : 2);
	}
}
#endif
*/
import "C"
