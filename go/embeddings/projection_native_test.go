//go:build rustembeddings && cgo

package embeddings_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// groups are rows around three axes, in turn.
func groups(count int) [][]float32 {
	rows := make([][]float32, count)
	for i := range rows {
		rows[i] = make([]float32, 8)
		for j := range rows[i] {
			rows[i][j] = 0.02 * float32((i*7+j*5)%11-5)
		}
		rows[i][i%3]++
	}
	return rows
}

func TestAProjectionKeepsGroupsTogetherAndIsTheSameEachTime(t *testing.T) {
	rows := groups(90)
	last := 0
	first, err := embeddings.Project(t.Context(), rows, func(done, total int) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := embeddings.Project(t.Context(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 || first.Len() != 90 || again.Len() != 90 {
		t.Fatalf("%d, %d points, progress %d", first.Len(), again.Len(), last)
	}
	for i := range rows {
		nearest, least := -1, math.Inf(1)
		for j := range rows {
			a, b := first.At(i), first.At(j)
			if d := math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)); i != j && d < least {
				nearest, least = j, d
			}
		}
		if first.At(i) != again.At(i) || nearest%3 != i%3 {
			t.Errorf("row %d lies at %v and %v, nearest to row %d", i, first.At(i), again.At(i), nearest)
		}
		if at, err := first.Place(rows[i]); err != nil || at != first.At(i) {
			t.Errorf("row %d is placed at %v (%v), not %v", i, at, err, first.At(i))
		}
	}
}

func TestAProjectionIsEndedByItsContextAndByAPanic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := embeddings.Project(ctx, groups(300), func(done, _ int) {
		if done > 20 {
			cancel()
		}
	})
	if !errors.Is(err, embeddings.ErrCancelled) {
		t.Errorf("%v", err)
	}
	if _, err := embeddings.Project(ctx, nil, nil); !errors.Is(err, embeddings.ErrCancelled) {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() != "stop" {
			t.Error("the panic is gone")
		}
	}()
	_, _ = embeddings.Project(t.Context(), groups(300), func(int, int) { panic("stop") })
}

func TestWhatIsNoMapIsRefused(t *testing.T) {
	for _, rows := range [][][]float32{{{1, 2}, {1}}, {{}}, {{1}, {}}} {
		if _, err := embeddings.Project(t.Context(), rows, nil); !errors.Is(err, embeddings.ErrDimensions) {
			t.Errorf("%v: %v", rows, err)
		}
	}
	if _, err := embeddings.Project(t.Context(), [][]float32{{float32(math.NaN())}}, nil); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
	none, err := embeddings.Project(t.Context(), nil, nil)
	if err != nil || none.Len() != 0 {
		t.Fatal(err)
	}
	if _, err := none.Place([]float32{1}); !errors.Is(err, embeddings.ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
	some, err := embeddings.Project(t.Context(), groups(3), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := some.Place([]float32{1}); !errors.Is(err, embeddings.ErrDimensions) {
		t.Errorf("%v", err)
	}
}

func TestAStoresRevisionChangesWithItsRows(t *testing.T) {
	store := openStore(t, ":memory:")
	revision := func() uint64 {
		t.Helper()
		revision, err := store.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	before := revision()
	record := embeddings.Record{SourceType: "note", SourceID: "a", Text: "x", Model: "m", Fingerprint: "f", Vector: []float32{1}}
	for range 2 { // the second time nothing changes
		if _, err := store.Put(t.Context(), []embeddings.Record{record}); err != nil {
			t.Fatal(err)
		}
	}
	written := revision()
	if written <= before || revision() != written {
		t.Errorf("%d, then %d", before, written)
	}
	if n, err := store.DeleteBySource(t.Context(), "note", "a"); err != nil || n != 1 || revision() <= written {
		t.Errorf("%d rows deleted (%v); %d after %d", n, err, revision(), written)
	}
}
