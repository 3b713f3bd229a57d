//go:build rustembeddings && cgo

package capi

import (
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

func TestALibraryOfAnotherABIIsRefused(t *testing.T) {
	if err := sameABI(3, 3); err != nil {
		t.Fatal(err)
	}
	err := sameABI(4, 3)
	if !errors.Is(err, ErrABIVersion) || !strings.Contains(err.Error(), "4") || !strings.Contains(err.Error(), "3") {
		t.Fatal(err)
	}
}

// TestMain fails where a test has left a handle open; builds with the tag qntx_debug see it.
func TestMain(m *testing.M) {
	testenv.Main(m, Live)
}

func TestADebugBuildSaysWhereALiveHandleWasMade(t *testing.T) {
	before := len(Live())
	made := new(handle[*int])
	made.hold(new(int), func(*int) {})
	stacks := Live()
	if stacks != nil && (len(stacks) != before+1 || !strings.Contains(strings.Join(stacks, ""), t.Name())) {
		t.Errorf("%d live handles after %d: %q", len(stacks), before, stacks)
	}
	made.Close()
	if after := len(Live()); after != before {
		t.Errorf("%d live handles after Close, %d before", after, before)
	}
}

func TestAHandleIsFreedOnce(t *testing.T) {
	var freed atomic.Int64
	count := func(*int) { freed.Add(1) }
	closed := new(handle[*int])
	closed.hold(new(int), count)
	closed.Close()
	closed.Close()
	runtime.KeepAlive(closed)
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := freed.Load(); n != 1 {
		t.Fatalf("freed %d times by two Closes and the collector; expected 1", n)
	}

	new(handle[*int]).hold(new(int), count)
	for deadline := time.Now().Add(10 * time.Second); freed.Load() == 1; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("a forgotten handle was never freed")
		}
	}
	if n := freed.Load(); n != 2 {
		t.Fatalf("freed %d times; expected 2", n)
	}
}
