package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
)

// breaks is a store that fails at its third Put.
type breaks struct {
	embedtest.Store
	puts int
}

func (s *breaks) Put(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	if s.puts++; s.puts == 3 {
		return nil, errors.New("the cable is out")
	}
	return s.Store.Put(ctx, records)
}

func TestACopyThatIsStoppedIsTakenUp(t *testing.T) {
	from, to := new(embedtest.Store), new(breaks)
	var records []embeddings.Record
	for i := range 1000 {
		records = append(records, embeddings.Record{
			ID: fmt.Sprintf("id %04d", i), SourceType: "note", SourceID: fmt.Sprint(i), Text: "x", Fingerprint: "f", Vector: []float32{1, float32(i)},
		})
	}
	if _, err := from.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	silent := func() *progress { return newProgress(new(strings.Builder), 0, "rows") }
	done, err := copyRows(t.Context(), from, to, "", silent())
	if err == nil || done.rows != 2*batchSize || done.last != fmt.Sprintf("id %04d", 2*batchSize-1) {
		t.Fatalf("%+v, error %v", done, err)
	}
	done, err = copyRows(t.Context(), from, to, done.last, silent())
	if err != nil || done.rows != 1000-2*batchSize || done.outcomes[embeddings.Inserted] != done.rows {
		t.Fatalf("%+v, error %v", done, err)
	}
	if done, err = copyRows(t.Context(), from, to, "", silent()); err != nil || done.outcomes[embeddings.Unchanged] != 1000 {
		t.Fatalf("%+v, error %v", done, err)
	}
	if err := compareStores(t.Context(), from, to, done); err != nil {
		t.Error(err)
	}
	changed := done.sample[7].Record
	changed.Vector = []float32{0, 1}
	if _, err := to.Put(t.Context(), []embeddings.Record{changed}); err != nil {
		t.Fatal(err)
	}
	if err := compareStores(t.Context(), from, to, done); err == nil || !strings.Contains(err.Error(), "differs") {
		t.Errorf("a row with another vector: %v", err)
	}
}

// The least that a cluster answers: it has no collections.
func TestAClusterIsSpokenToWithKeyAndTLSByFiles(t *testing.T) {
	noVariables(t)
	var authorization string
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		if authorization != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"classes":[]}`)
	}))
	defer cluster.Close()
	directory := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw}))
	key, wrong := file("key", []byte("secret\n")), file("wrong", []byte("guess"))
	url := "weaviates://" + strings.TrimPrefix(cluster.URL, "https://")
	if code, out, stderr := shell(t, "count", "--store", url, "--store-key", key, "--store-ca", ca); code != 0 || out != "0\n" {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"a wrong key":           {[]string{"--store", url, "--store-key", wrong, "--store-ca", ca}, "API key"},
		"an unknown authority":  {[]string{"--store", url, "--store-key", key}, "certificate"},
		"no file":               {[]string{"--store", url, "--store-key", filepath.Join(directory, "none")}, "--store-key"},
		"no PEM":                {[]string{"--store", url, "--store-ca", key}, "no certificate"},
		"half a pair":           {[]string{"--store", url, "--store-cert", ca}, "belong together"},
		"files without TLS":     {[]string{"--store", "weaviate://h:1", "--store-ca", ca}, "weaviates://"},
		"another engine":        {[]string{"--store", "qdrant://h:1"}, "weaviate://HOST:PORT"},
		"no port":               {[]string{"--store", "weaviate://h"}, "HOST:PORT"},
		"an unknown parameter":  {[]string{"--store", "weaviate://h:1?replica=3"}, "replicas"},
		"an unknown level":      {[]string{"--store", "weaviate://h:1?read=some"}, "quorum"},
		"a number out of range": {[]string{"--store", "weaviate://h:1?shards=0"}, "1 to 1024"},
	} {
		if code, _, stderr := shell(t, append([]string{"count"}, test.args...)...); code != 1 || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
}
