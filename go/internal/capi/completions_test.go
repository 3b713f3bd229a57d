//go:build rustembeddings && cgo

package capi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

func open(t *testing.T, options ModelOptions) *Model {
	t.Helper()
	options.ONNXRuntime = testenv.ONNXRuntime(t)
	model, err := OpenModel(testenv.TinyModel(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

// busy keeps the model at work, so that no call comes alone, until the function that it gives is called.
func busy(t *testing.T, model *Model) func() {
	texts := make([]string, 50_000)
	for i := range texts {
		texts[i] = fmt.Sprint(strings.Repeat("! ", 40), i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			_, _, err := model.Embed(ctx, texts, EmbedOptions{Progress: func(int, int) { once.Do(func() { close(running) }) }})
			if failure, ok := errors.AsType[*Error](err); ok && failure.Code != Cancelled || err != nil && !ok {
				t.Error(err)
				return
			}
		}
	})
	<-running
	return func() {
		cancel()
		group.Wait()
	}
}

func waiting(t *testing.T) int {
	c, err := theCompletions()
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

func threads(t *testing.T) int {
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("\nThreads:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	n, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGoroutinesThatWaitKeepNoThreads(t *testing.T) {
	model := open(t, ModelOptions{})
	texts := []string{"a cat", "a dog that ran", "the mat"}
	var expected [][]float32
	for _, text := range texts {
		vector, _, err := model.Embed(t.Context(), []string{text}, EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expected = append(expected, vector)
	}
	rest := busy(t, model)
	before := threads(t)
	var answered atomic.Int64
	var group sync.WaitGroup
	for i := range 20_000 {
		group.Go(func() {
			vector, infos, err := model.Embed(t.Context(), texts[i%3:i%3+1], EmbedOptions{})
			if err != nil || !slices.Equal(vector, expected[i%3]) || len(infos) != 1 || infos[0].Tokens < 4 {
				t.Error(vector, infos, err)
			}
			answered.Add(1)
		})
	}
	most, atOnce := 0, 0
	for answered.Load() < 20_000 {
		most, atOnce = max(most, threads(t)), max(atOnce, waiting(t))
		time.Sleep(time.Millisecond)
	}
	group.Wait()
	rest()
	// Those that tokenise are in C for a moment, and Go keeps the threads that it had for them.
	if most > before+100 || atOnce <= most {
		t.Errorf("%d threads, %d before, for %d that waited at once", most, before, atOnce)
	}
	if n := waiting(t); n != 0 {
		t.Errorf("%d are waited for at the end", n)
	}
}

func TestACallThatIsNotAloneEndsWithItsContext(t *testing.T) {
	model := open(t, ModelOptions{})
	rest := busy(t, model)
	defer rest()
	var texts []string
	for i := range 20_000 {
		texts = append(texts, fmt.Sprint(strings.Repeat("? ", 40), i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	begun := time.Now()
	_, _, err := model.Embed(ctx, texts, EmbedOptions{})
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != Cancelled {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	if n := waiting(t); n != 0 {
		t.Errorf("%d are waited for at the end", n)
	}
	// What is refused is so before it is waited for.
	_, _, err = model.Embed(t.Context(), []string{"bad \xff"}, EmbedOptions{})
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Code != InvalidUTF8 {
		t.Error(err)
	}
	if n := waiting(t); n != 0 {
		t.Errorf("%d are waited for after what was refused", n)
	}
}

func TestWhereNothingCanBeWaitedForCallsWaitInC(t *testing.T) {
	c, err := newCompletions()
	if err != nil {
		t.Fatal(err)
	}
	_, over := c.expect()
	select {
	case <-over:
		t.Fatal("a call that was not started is over")
	default:
	}
	if err := c.file.Close(); err != nil {
		t.Fatal(err)
	}
	<-over
	_, over = c.expect()
	<-over
	if len(c.waiting) != 0 {
		t.Error(c.waiting)
	}
}
