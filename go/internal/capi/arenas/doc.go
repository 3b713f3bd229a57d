// Package arenas has glibc make an arena for each processor, not 8: for a program's main to import, because a process has one
// allocator, which a library does not choose for its host.
//
// Every search and every write has a thread while it is in C, and each arena keeps what its busiest moment needed (docs/performance.md).
// MALLOC_ARENA_MAX in the environment is the user's own choice and stands. Nothing is done without the build tag rustembeddings,
// or with another C library.
package arenas
