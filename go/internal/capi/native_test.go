//go:build rustembeddings && cgo

package capi_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/teranos/libqntx_embed/go/internal/capi"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

func openTiny(t *testing.T) *capi.Model {
	t.Helper()
	model, err := capi.OpenModel(testenv.TinyModel(t), capi.ModelOptions{ONNXRuntime: testenv.ONNXRuntime(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

// With a collection at nearly every allocation, what C still reads or writes would be reused if it were not held.
func TestTheCollectorLeavesAloneWhatCWorksWith(t *testing.T) {
	model := openTiny(t)
	store, err := capi.OpenStore(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	expected := map[string][]float32{}
	words := strings.Fields("the cat sat on a mat and the dog ran off")
	for n := range words {
		text := strings.Join(words[:n+1], " ")
		vectors, _, err := model.Embed(context.Background(), []string{text}, capi.EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expected[text] = vectors
	}

	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for round := range 20 {
				var texts []string
				var records []capi.Record
				for n := range words {
					texts = append(texts, strings.Join(words[:n+1], " "))
				}
				vectors, infos, err := model.Embed(context.Background(), texts, capi.EmbedOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				dimensions := model.Info().Dimensions
				for i, text := range texts {
					vector := vectors[i*dimensions : (i+1)*dimensions]
					if !slices.Equal(vector, expected[text]) || infos[i].Tokens != i+3 {
						t.Errorf("%q has another vector, or %d tokens", text, infos[i].Tokens)
						return
					}
					records = append(records, capi.Record{
						SourceType: fmt.Sprint("worker ", worker), SourceID: fmt.Sprint(i),
						Text: fmt.Sprint(text, " in round ", round), Fingerprint: "f", Vector: vector,
					})
				}
				if _, err := store.Put(records); err != nil {
					t.Error(err)
					return
				}
				for i := range texts {
					rows, err := store.GetSource(fmt.Sprint("worker ", worker), fmt.Sprint(i), "f")
					if err != nil || len(rows) != 1 || rows[0].Text != records[i].Text || !slices.Equal(rows[0].Vector, records[i].Vector) {
						t.Errorf("got %+v, error %v; put %+v", rows, err, records[i])
						return
					}
				}
				own := fmt.Sprintf(`["=", "source_type", "worker %d"]`, worker)
				found, explain, err := store.Search(records[0].Vector, capi.SearchOptions{
					Fingerprint: "f", Filter: own, Words: fmt.Sprint("the in round ", round), Limit: 100, Threshold: -1})
				listed, failed := store.List(capi.ListOptions{Fingerprint: "f", Filter: own})
				if err != nil || failed != nil || len(found) != len(texts) || len(listed) != len(texts) || !strings.HasPrefix(explain, "{") {
					t.Errorf("found %d, listed %d of %d, explained %q; errors %v, %v", len(found), len(listed), len(texts), explain, err, failed)
					return
				}
				for _, row := range append(found, listed...) {
					if row.SourceType != fmt.Sprint("worker ", worker) || !strings.HasSuffix(row.Text, fmt.Sprint(" in round ", round)) {
						t.Errorf("found %+v", row)
						return
					}
				}
			}
		})
	}
	group.Wait()
}

func TestCloseDuringCallsWaitsForThem(t *testing.T) {
	model := openTiny(t)
	started := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				_, _, err := model.Embed(context.Background(), []string{"the cat sat on the mat", "the dog ran"}, capi.EmbedOptions{})
				once.Do(func() { close(started) })
				if errors.Is(err, capi.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	<-started
	for range 2 {
		group.Go(func() {
			if err := model.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if _, _, err := model.Embed(context.Background(), nil, capi.EmbedOptions{}); !errors.Is(err, capi.ErrClosed) {
		t.Fatal(err)
	}
}

func TestErrorsAreThoseOfTheLibrary(t *testing.T) {
	model := openTiny(t)
	for name, test := range map[string]struct {
		call    func() error
		code    capi.Code
		message string
	}{
		"no such directory": {func() error {
			_, err := capi.OpenModel("/no/such\x00directory", capi.ModelOptions{ONNXRuntime: testenv.ONNXRuntime(t)})
			return err
		}, capi.ModelNotFound, `/no/such\0directory`},
		"invalid UTF-8": {func() error {
			_, _, err := model.Embed(context.Background(), []string{"good", "bad \xff"}, capi.EmbedOptions{})
			return err
		}, capi.InvalidUTF8, "text 1"},
		"unknown format": {func() error {
			_, err := capi.OpenModel(testenv.TinyModel(t), capi.ModelOptions{ONNXRuntime: testenv.ONNXRuntime(t), Format: 99})
			return err
		}, capi.InvalidArgument, "99"},
		"different lengths": {func() error {
			_, err := capi.Similarity([]float32{1, 2}, []float32{1})
			return err
		}, capi.Dimensions, "2"},
		"half a float": {func() error {
			_, err := capi.Deserialize([]byte{1, 2, 3})
			return err
		}, capi.InvalidArgument, "3 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.call()
			failure, ok := errors.AsType[*capi.Error](err)
			if !ok || failure.Code != test.code || !strings.Contains(failure.Message, test.message) {
				t.Fatalf("%v; expected code %d and %q", err, test.code, test.message)
			}
		})
	}
}
