package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// start is the service over HTTP; compiled says whether the engine is in this build.
func start(t *testing.T) (address string, compiled bool) {
	t.Helper()
	model := os.Getenv("QNTX_EMBED_TEST_MODEL")
	if model == "" {
		model = "../../models/all-MiniLM-L6-v2"
	}
	engine, err := openEngine(t.Context(), model, filepath.Join(t.TempDir(), "embeddings.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err = embeddings.LibraryVersion()
	listener := httptest.NewServer(routes(engine, example))
	t.Cleanup(listener.Close)
	return listener.URL, !errors.Is(err, embeddings.ErrNotCompiled)
}

func ask(t *testing.T, method, address, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("Service-Version") != "7" {
		t.Errorf("%s is not behind the middleware", address)
	}
	return response.StatusCode, string(data)
}

func TestItsOwnRoutesWorkInBothBuilds(t *testing.T) {
	address, _ := start(t)
	if status, answer := ask(t, "GET", address+"/api/attestations/as-1", ""); status != 200 || !strings.Contains(answer, "pump-7") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestAttestationsAreEmbeddedAndFoundOrTheBuildSaysWhyNot(t *testing.T) {
	address, compiled := start(t)
	const search = "/api/search/semantic?q=the+pump+stands+still&threshold=0&limit=1"
	if !compiled {
		if status, answer := ask(t, "GET", address+search, ""); status != 503 || !strings.Contains(answer, "compile with -tags=rustembeddings") {
			t.Errorf("%d %s", status, answer)
		}
		return
	}
	status, answer := ask(t, "POST", address+"/api/embeddings/batch", `{"attestation_ids": ["as-1", "as-2", "as-9"]}`)
	if status != 200 || !strings.Contains(answer, `"processed":2,"failed":1`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := ask(t, "GET", address+search, ""); status != 200 || !strings.Contains(answer, `"source_id":"as-1"`) {
		t.Errorf("%d %s", status, answer)
	}
}
