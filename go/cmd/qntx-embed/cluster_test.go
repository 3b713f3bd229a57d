//go:build rustembeddings && cgo

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/clustertest"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// balanced is one address before several servers: a request goes to the next of them, or, where that does not answer,
// to the one after it.
func balanced(t *testing.T, addresses ...string) string {
	t.Helper()
	var next atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			target, err := url.Parse(addresses[int(next.Add(1))%len(addresses)])
			if err != nil {
				t.Error(err)
				return
			}
			r.SetURL(target)
		},
		Transport: turns{addresses},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

type turns struct{ addresses []string }

func (b turns) RoundTrip(r *http.Request) (response *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		var buffer bytes.Buffer
		if _, err := buffer.ReadFrom(r.Body); err != nil {
			return nil, err
		}
		body = buffer.Bytes()
	}
	for range b.addresses {
		again := r.Clone(r.Context())
		again.Body = http.NoBody
		if len(body) > 0 {
			again.Body = readCloser{bytes.NewReader(body)}
		}
		if response, err = http.DefaultTransport.RoundTrip(again); err == nil {
			return response, nil
		}
		for i, address := range b.addresses {
			if "http://"+r.URL.Host == address {
				r.URL.Host = strings.TrimPrefix(b.addresses[(i+1)%len(b.addresses)], "http://")
				break
			}
		}
	}
	return nil, err
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func TestTwoServersBehindOneAddressAnswerAsOne(t *testing.T) {
	cluster := clustertest.Start(t)
	store := cluster.URL("write=all")
	args := []string{"--model", testenv.Model(t), "--store", store}
	first, second := startServer(t, args...), startServer(t, args...)
	both := &daemon{t: t, address: balanced(t, first.address, second.address)}

	var items []string
	for i, text := range []string{"a cat sleeps on the sofa", "the pump stops when the red button is pressed", "lunch is at noon"} {
		items = append(items, fmt.Sprintf(`{"source_type":"note","source_id":"n%d","text":%q,"metadata":{"n":%d}}`, i, text, i))
	}
	body := `{"items":[` + strings.Join(items, ",") + `]}`
	if status, answer := both.post("/api/embeddings/batch", body); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	for range 6 { // three by each
		if found := both.search("how do I stop the pump"); len(found) == 0 || found[0].SourceID != "n1" {
			t.Fatalf("%+v", found)
		}
	}
	// What one has stored the other replaces, and both know.
	for i, server := range []*daemon{first, second} {
		body := fmt.Sprintf(`{"items":[{"source_type":"note","source_id":"n2","text":"supper is at %d"}]}`, 6+i)
		if status, answer := server.post("/api/embeddings/batch", body); status != http.StatusOK {
			t.Fatal(status, answer)
		}
		for _, reader := range []*daemon{first, second, both, both} {
			if found := reader.search("when is supper"); len(found) == 0 || found[0].Text != fmt.Sprintf("supper is at %d", 6+i) {
				t.Fatalf("%+v", found)
			}
		}
	}
	// One goes, and nobody behind the address sees it.
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if found := both.search("how do I stop the pump"); len(found) == 0 || found[0].SourceID != "n1" {
			t.Fatalf("%+v", found)
		}
	}
	if code, out, stderr := finish(t, process(t, "count", "--store", store)); code != 0 || strings.TrimSpace(out) != "3" {
		t.Fatal(code, out, stderr)
	}
	for _, command := range [][]string{{"backup", "x"}, {"optimize"}, {"stats"}, {"verify"}, {"reindex"}} {
		if code, _, stderr := finish(t, process(t, append(command, "--store", store)...)); code != 1 || !strings.Contains(stderr, "is for a database file") {
			t.Errorf("%q: exit code %d, %s", command, code, stderr)
		}
	}
}

func TestACopyGoesToAClusterAndBack(t *testing.T) {
	cluster := clustertest.Start(t)
	directory := t.TempDir()
	file, back := filepath.Join(directory, "from.db"), filepath.Join(directory, "back.db")
	original, err := embeddings.OpenEmbeddingStore(file)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	var records []embeddings.Record
	for i := range 1500 {
		r := embeddings.Record{
			SourceType: "note", SourceID: fmt.Sprint("source ", i/3), Chunk: i % 3, ChunkStart: i, ChunkEnd: i + 7,
			Text: fmt.Sprint("text ", i, " \x00 ü"), Model: "m", Fingerprint: fmt.Sprint("model ", i%2), Vector: []float32{1, float32(i), 3},
			Metadata: embeddings.Metadata{"n": i, "key with blanks": nil, "x": 0.5, "t": "text", "b": i%2 == 0},
		}
		if i%10 == 0 {
			r.ID = fmt.Sprint("own ", i)
		}
		records = append(records, r)
	}
	if _, err := original.Put(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	url := cluster.URL("")
	for _, test := range [][3]string{{file, url, " 1500 rows from"}, {url, back, "1500 inserted"}, {file, url, "1500 unchanged"}, {url, back, "1500 unchanged"}} {
		code, out, stderr := shell(t, "copy", "--from", test[0], "--to", test[1])
		if code != 0 || !strings.Contains(" "+out, test[2]) || !strings.Contains(out, "counts of 2 models and 200 rows are compared") {
			t.Fatalf("exit code %d: %s%s", code, out, stderr)
		}
	}
	copied, err := embeddings.OpenEmbeddingStore(back)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	rows := 0
	for want, err := range original.List(t.Context(), embeddings.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := copied.Get(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Record, want.Record) {
			t.Fatalf("%+v\n%+v", got.Record, want.Record)
		}
		rows++
	}
	if rows != 1500 {
		t.Fatal(rows)
	}
	for _, bad := range [][]string{{"copy"}, {"copy", "--from", file}, {"copy", "--from", file, "--to", file}, {"copy", "x"}} {
		if code, _, _ := shell(t, bad...); code != 2 {
			t.Errorf("%q: exit code %d", bad, code)
		}
	}
	if code, _, stderr := shell(t, "copy", "--from", filepath.Join(directory, "none.db"), "--to", url); code != 1 || !strings.Contains(stderr, "there is no database") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
