//go:build rustembeddings && cgo

package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
)

// sent sends a request and gives its status; what is answered is read.
func (d *daemon) sent(method, path, contentType, key, body string) int {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.address+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode
}

// Every route that takes a text gets one with this word in it, in requests that are answered and in some that are refused.
func (d *daemon) tellAll(word string) {
	d.t.Helper()
	item := fmt.Sprintf(`{"source_type":"note","source_id":"1","text":"a %s matter"}`, word)
	for _, request := range []struct {
		method, path, contentType, body string
		status                          int
	}{
		{"GET", "/api/search/semantic?q=" + word, "", "", 200},
		{"GET", "/api/search/semantic?mode=hybrid&q=" + word, "", "", 200},
		{"GET", "/api/search/semantic?limit=0&q=" + word, "", "", 400},
		{"GET", "/api/search/semantic?" + word + "=1", "", "", 400},
		{"POST", "/api/embeddings/generate", "application/json", `{"text":"` + word + `"}`, 200},
		{"POST", "/api/embeddings/generate", "application/json", `{"` + word + `":1}`, 400},
		{"POST", "/api/embeddings/generate", "application/json", `{"text":"x","prompt_name":"` + word + `"}`, 400},
		{"POST", "/api/embeddings/batch", "application/json", `{"items":[` + item + `]}`, 200},
		{"POST", "/api/embeddings/batch", "application/json", `{"items":[` + item, 400},
		{"POST", "/api/embeddings/batch", "application/x-ndjson", item + "\n" + word + "\n", 200},
		{"PUT", "/api/embeddings/sources/note/2", "application/json", `{"chunk":{},"text":"` + word + `"}`, 200},
		{"POST", "/v1/embeddings", "application/json", `{"model":"tiny-mean","input":["` + word + `"]}`, 200},
		{"POST", "/v1/embeddings", "application/json", `{"model":"` + word + `","input":"x"}`, 404},
		{"GET", "/api/embeddings/rows?limit=5", "", "", 200},
		{"POST", "/api/embeddings/reindex", "", "", 200},
	} {
		if status := d.sent(request.method, request.path, request.contentType, "", request.body); status != request.status {
			d.t.Errorf("%s %s: %d; expected %d", request.method, request.path, status, request.status)
		}
	}
}

func TestNoTextIsInTheLogUnlessThatIsAskedFor(t *testing.T) {
	const word = "confidential"
	for _, asked := range []bool{false, true} {
		flags := []string{"--model", testenv.TinyModel(t), "--db", filepath.Join(t.TempDir(), "test.db"), "--log-level", "debug"}
		if asked {
			flags = append(flags, "--log-texts")
		}
		d := startServer(t, flags...)
		d.tellAll(word)
		d.stop(syscall.SIGTERM)
		if found := strings.Contains(d.log.String(), word); found != asked {
			t.Errorf("--log-texts %v: the word is in the log: %v\n%s", asked, found, d.log)
		}
		if !strings.Contains(d.log.String(), "path=/api/search/semantic status=200") {
			t.Errorf("no line for a request:\n%s", d.log)
		}
	}
}

func TestProfilesAreForThoseWhoMayWriteAndOnlyWhereTheyAreAskedFor(t *testing.T) {
	const path = "/debug/pprof/goroutine?debug=1"
	keys := filepath.Join(t.TempDir(), "keys.toml")
	entry := func(role string) string {
		return fmt.Sprintf("[[key]]\nname = %q\nsha256 = \"%x\"\nrole = %q\n", role, sha256.Sum256([]byte("qntx_"+role)), role)
	}
	if err := os.WriteFile(keys, []byte(entry("read")+entry("write")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flags []string
		key   string
		want  int
	}{
		{nil, "", 404},
		{[]string{"--pprof"}, "", 200},
		{[]string{"--pprof", "--keys", keys}, "", 401},
		{[]string{"--pprof", "--keys", keys}, "qntx_read", 403},
		{[]string{"--pprof", "--keys", keys}, "qntx_write", 200},
	} {
		d := startServer(t, append(test.flags, "--model", testenv.TinyModel(t), "--db", filepath.Join(t.TempDir(), "test.db"))...)
		if status := d.sent("GET", path, "", test.key, ""); status != test.want {
			t.Errorf("%q, key %q: %d; expected %d", test.flags, test.key, status, test.want)
		}
		d.stop(syscall.SIGTERM)
	}
}

func TestAServerThatListensIsReady(t *testing.T) {
	for range 3 {
		d := startServer(t, "--model", testenv.TinyModel(t), "--db", filepath.Join(t.TempDir(), "test.db"))
		if status := d.sent("GET", "/readyz", "", "", ""); status != 200 {
			t.Errorf("the first answer is %d", status)
		}
		d.stop(syscall.SIGTERM)
	}
}
