//go:build qntx_debug

package capi

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// In a build with the tag qntx_debug each handle notes where it was made, until it is freed, and the garbage collector runs
// before each call of the library: what Go's memory rules do not keep is gone by then.

var live = struct {
	sync.Mutex
	stacks map[any]string
}{stacks: map[any]string{}}

// made notes a handle's object, a pointer of C's.
func made(object any) {
	stack := string(debug.Stack())
	live.Lock()
	defer live.Unlock()
	live.stacks[object] = stack
}

// freed forgets it. It comes before the object is freed, because the next one may get its address.
func freed(object any) {
	live.Lock()
	defer live.Unlock()
	delete(live.stacks, object)
}

func beforeEachCall() { runtime.GC() }

// Live is where each handle was made that is open now.
func Live() []string {
	live.Lock()
	defer live.Unlock()
	stacks := make([]string, 0, len(live.stacks))
	for _, stack := range live.stacks {
		stacks = append(stacks, stack)
	}
	return stacks
}
