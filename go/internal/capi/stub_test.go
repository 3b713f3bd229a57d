//go:build !(rustembeddings && cgo)

package capi

import (
	"context"
	"errors"
	"testing"
)

func TestEveryCallGivesErrNotCompiled(t *testing.T) {
	_, version := Version()
	_, serialize := Serialize([]float32{1})
	_, deserialize := Deserialize([]byte{0, 0, 0, 0})
	_, similarity := Similarity([]float32{1}, []float32{1})
	model, openModel := OpenModel("models/all-MiniLM-L6-v2", ModelOptions{})
	store, openStore := OpenStore(":memory:", StoreOptions{})
	if model != nil || store != nil {
		t.Fatal("there is a model or a store without a library")
	}
	_, _, embed := model.Embed(context.Background(), []string{"x"}, EmbedOptions{})
	_, stats := model.Stats()
	_, write := WriteManifest("models/all-MiniLM-L6-v2")
	_, check := CheckManifest("models/all-MiniLM-L6-v2")
	_, migrate := Migrate("old.db", MigrateOptions{})
	_, put := store.Put(nil)
	_, has := store.Has(nil)
	_, get := store.Get("a")
	_, source := store.GetSource("a", "b", "c")
	_, list := store.List(ListOptions{})
	_, ids := store.DeleteIDs([]string{"a"})
	_, deleted := store.DeleteSource("a", "b")
	_, where := store.DeleteWhere(`["and"]`)
	_, count := store.Count("", "")
	_, _, search := store.Search([]float32{1}, SearchOptions{})
	_, storeStats := store.Stats()
	_, verify := store.Verify(true)
	_, split := model.Split("x", SplitOptions{})
	_, _, putSources := store.PutSources(nil)
	_, reindex := store.Reindex(context.Background(), model, ReindexOptions{})
	_, project := Project(context.Background(), []float32{1}, 1, nil)
	_, place := Place([]float32{1}, 1, []float32{0, 0}, []float32{1})
	_, revision := store.Revision()
	for i, err := range []error{
		project, place, revision,
		split, putSources, reindex, migrate,
		version, serialize, deserialize, similarity, openModel, openStore, embed, stats, write, check, put, has, get, source, list,
		ids, deleted, where, count, search, storeStats, verify, store.Backup("a.db"), store.Optimize(),
	} {
		if !errors.Is(err, ErrNotCompiled) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if model.Close() != nil || store.Close() != nil {
		t.Error("closing nothing failed")
	}
}
