package weaviate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/clustertest"
	"github.com/teranos/libqntx_embed/go/store/weaviate"
)

const secret = "a-key-of-the-tests"

var withKey = []string{
	"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=false", "AUTHENTICATION_APIKEY_ENABLED=true",
	"AUTHENTICATION_APIKEY_ALLOWED_KEYS=" + secret, "AUTHENTICATION_APIKEY_USERS=tests",
	"AUTHORIZATION_ADMINLIST_ENABLED=true", "AUTHORIZATION_ADMINLIST_USERS=tests",
}

// traffic is what a store is asked for all the time.
type traffic struct {
	store        *weaviate.Store
	acknowledged sync.Map // source ids
	written      atomic.Int64
	refused      atomic.Int64 // puts that have failed, each repeated until it did not
	found        atomic.Int64
	failed       atomic.Int64 // searches
	slowest      atomic.Int64 // call that succeeded, in ns
}

func note(n int) embeddings.Record {
	return embeddings.Record{
		SourceType: "note", SourceID: fmt.Sprint(n), Text: fmt.Sprint("text ", n), Model: "m", Fingerprint: "f",
		Vector: []float32{1, float32(n % 97), float32(n % 89), float32(n % 83)},
	}
}

func (f *traffic) took(since time.Time) {
	for d := int64(time.Since(since)); ; {
		old := f.slowest.Load()
		if d <= old || f.slowest.CompareAndSwap(old, d) {
			return
		}
	}
}

func (f *traffic) write(ctx context.Context, t *testing.T) {
	for n := 0; ctx.Err() == nil; n += 20 {
		var records []embeddings.Record
		for i := range 20 {
			records = append(records, note(n+i))
		}
		for ctx.Err() == nil {
			start := time.Now()
			_, err := f.store.Put(ctx, records)
			if err == nil {
				f.took(start)
				break
			}
			if ctx.Err() == nil && !errors.Is(err, embeddings.ErrStoreUnavailable) {
				t.Errorf("a write: %v; expected an error that says to try again", err)
				return
			}
			f.refused.Add(1)
		}
		if ctx.Err() == nil {
			for _, r := range records {
				f.acknowledged.Store(r.SourceID, true)
			}
			f.written.Add(20)
		}
	}
}

func (f *traffic) search(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		start := time.Now()
		_, err := f.store.Search(ctx, []float32{1, 2, 3, 4}, embeddings.SearchOptions{Fingerprint: "f", Limit: 5})
		switch {
		case err == nil:
			f.took(start)
			f.found.Add(1)
		case ctx.Err() == nil && !errors.Is(err, embeddings.ErrStoreUnavailable):
			t.Errorf("a search: %v; expected an error that says to try again", err)
			return
		default:
			f.failed.Add(1)
		}
	}
}

// goesOn waits until some more is written and found, and says how long that took.
func (f *traffic) goesOn(t *testing.T, after string) {
	t.Helper()
	start, written, found := time.Now(), f.written.Load(), f.found.Load()
	for f.written.Load() < written+100 || f.found.Load() < found+10 {
		if time.Since(start) > 90*time.Second {
			t.Fatalf("%s: within 90 s only %d rows were written and %d searches answered", after, f.written.Load()-written, f.found.Load()-found)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%s: it goes on after %v; until now %d rows are written (%d calls were refused and repeated), %d searches answered (%d failed), slowest call %v",
		after, time.Since(start).Round(10*time.Millisecond), f.written.Load(), f.refused.Load(), f.found.Load(), f.failed.Load(),
		time.Duration(f.slowest.Swap(0)).Round(time.Millisecond))
}

func TestNoAcknowledgedWriteIsLostWhateverBecomesOfNodes(t *testing.T) {
	cluster := clustertest.Start(t, withKey...)
	const prefix = "Faults"
	url := cluster.URL("attempt=2s&patience=20s&prefix=" + prefix)
	store, err := weaviate.Open(url, weaviate.WithAPIKey(secret))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()

	for name, options := range map[string][]weaviate.Option{"no key": nil, "a wrong key": {weaviate.WithAPIKey("guess")}} {
		stranger, err := weaviate.Open(url, options...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stranger.Put(t.Context(), []embeddings.Record{note(0)}); !errors.Is(err, embeddings.ErrStore) || !strings.Contains(err.Error(), "API key") {
			t.Errorf("%s: %v", name, err)
		}
		stranger.Close()
	}

	ctx, stop := context.WithCancel(t.Context())
	f := &traffic{store: store}
	var calls sync.WaitGroup
	calls.Go(func() { f.write(ctx, t) })
	calls.Go(func() { f.search(ctx, t) })
	defer calls.Wait()
	defer stop()
	f.goesOn(t, "at the start")

	for i := range clustertest.Nodes { // each once; the client talks to one of them
		cluster.Kill(i)
		f.goesOn(t, fmt.Sprintf("node %d killed", i))
		cluster.Restart(i)
		f.goesOn(t, fmt.Sprintf("node %d started again", i))
	}
	if f.refused.Load() > 0 || f.failed.Load() > 0 {
		t.Errorf("with one node gone %d writes and %d searches failed; expected none", f.refused.Load(), f.failed.Load())
	}
	for _, i := range []int{0, 2} {
		cluster.Pause(i)
		f.goesOn(t, fmt.Sprintf("node %d paused", i))
		cluster.Resume(i)
		f.goesOn(t, fmt.Sprintf("node %d resumed", i))
	}

	cluster.Kill(1)
	cluster.Kill(2)
	refused := f.refused.Load()
	start := time.Now()
	for f.refused.Load() == refused {
		if time.Since(start) > 2*time.Minute {
			t.Fatal("with two nodes of three gone, a write of QUORUM was not refused within a minute")
		}
		time.Sleep(20 * time.Millisecond)
	}
	_, err = store.Put(t.Context(), []embeddings.Record{note(1 << 30)})
	t.Logf("with two nodes gone: %v", err)
	if !errors.Is(err, embeddings.ErrStoreUnavailable) || !strings.Contains(err.Error(), "tried again") {
		t.Errorf("with two nodes gone: %v", err)
	}
	cluster.Restart(1, 2)
	f.goesOn(t, "two nodes gone and started again")

	for i := range clustertest.Nodes {
		cluster.Kill(i)
	}
	cluster.Restart(0, 1, 2)
	f.goesOn(t, "all nodes killed and started again")

	stop()
	calls.Wait()
	var records []embeddings.Record
	f.acknowledged.Range(func(id, _ any) bool {
		r := note(0)
		r.SourceID, r.Text = id.(string), "text "+id.(string)
		records = append(records, r)
		return true
	})
	has, err := store.Has(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, there := range has {
		if !there {
			lost++
		}
	}
	if lost > 0 || len(records) < 1000 {
		t.Errorf("%d of %d rows whose writes were acknowledged are lost", lost, len(records))
	}
	t.Logf("%d rows acknowledged, none lost", len(records))

	// And each replica gets what it has missed.
	for i := range clustertest.Nodes {
		one, err := weaviate.Open("weaviate://"+cluster.Host(i)+"?read=one&prefix="+prefix, weaviate.WithAPIKey(secret))
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		for start := time.Now(); ; time.Sleep(time.Second) {
			n, err := one.Count(t.Context(), embeddings.Selection{Fingerprint: "f"})
			if err == nil && n >= len(records) {
				t.Logf("node %d counts %d rows after %v", i, n, time.Since(start).Round(time.Second))
				break
			}
			if time.Since(start) > 2*time.Minute {
				t.Fatalf("node %d counts %d rows, error %v; expected %d", i, n, err, len(records))
			}
		}
	}
}
