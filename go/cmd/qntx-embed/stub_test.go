//go:build !(rustembeddings && cgo)

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const compile = "compile with -tags=rustembeddings"

func TestWithoutTheTagCommandsFailAndSayWhy(t *testing.T) {
	directory := t.TempDir()
	file, db := filepath.Join(directory, "items.jsonl"), filepath.Join(directory, "test.db")
	for _, path := range []string{file, db} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"embed", "x"}, {"ingest", file, "--db", db}, {"search", "x", "--db", db}, {"verify", directory},
		{"search", "--like", "x", "--db", db}, {"put", file, "--db", db}, {"list", "--db", db}, {"get", "x", "--db", db}, {"count", "--db", db}, {"delete", "x", "--db", db},
		{"stats", "--db", db}, {"verify", "--db", db}, {"backup", filepath.Join(directory, "copy.db"), "--db", db}, {"optimize", "--db", db}} {
		code, out, err := shell(t, args...)
		if code != 1 || out != "" || !strings.Contains(err, compile) {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, out, err)
		}
	}
	if code, out, _ := shell(t, "version"); code != 0 || !strings.Contains(out, version) || !strings.Contains(out, compile) {
		t.Errorf("version: exit code %d, %q", code, out)
	}
}

func TestWithoutTheTagTheServerAnswers503(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := new(syncBuffer)
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0"}, console{nil, io.Discard, log})
	}()
	address := regexp.MustCompile(`address=(http://\S+)`)
	var found []string
	for deadline := time.Now().Add(10 * time.Second); found == nil; found = address.FindStringSubmatch(log.String()) {
		if time.Now().After(deadline) {
			t.Fatalf("the server does not listen: %s", log)
		}
		time.Sleep(time.Millisecond)
	}
	response, err := http.Get(found[1] + "/api/search/semantic?q=x")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 503 || !strings.Contains(string(body), compile) {
		t.Errorf("status %d, %s, error %v", response.StatusCode, body, err)
	}
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("the log does not warn: %s", log)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d: %s", code, log)
	}
}

type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
