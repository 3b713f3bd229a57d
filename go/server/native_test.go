//go:build rustembeddings && cgo

package server_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/capi"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
	"github.com/teranos/libqntx_embed/go/server"
)

// TestMain fails where a test has left a handle open; builds with the tag qntx_debug see it.
func TestMain(m *testing.M) {
	testenv.Main(m, capi.Live)
}

// start serves the real model and a new database over real HTTP.
func start(t *testing.T) string {
	t.Helper()
	return serve(t, testenv.Model(t))
}

func serve(t *testing.T, model string) string {
	t.Helper()
	service, err := embeddings.NewManagedEmbeddingService(model, embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	store, err := embeddings.OpenEmbeddingStore(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	listener := httptest.NewServer(server.New(server.Config{Service: service, Store: store}))
	t.Cleanup(listener.Close)
	return listener.URL
}

// call sends a JSON body, or a GET where there is none, and reads the JSON answer.
func call[Answer any](t *testing.T, address string, body any) (answer Answer) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if body != nil {
		data, failed := json.Marshal(body)
		if failed != nil {
			t.Fatal(failed)
		}
		request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(data))
	}
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		t.Fatalf("%s: status %d", address, response.StatusCode)
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func generate(t *testing.T, address, text string) server.GenerateResponse {
	t.Helper()
	return call[server.GenerateResponse](t, address+"/api/embeddings/generate", map[string]string{"text": text})
}

func TestVectorsOverHTTPAreThoseOfSentenceTransformers(t *testing.T) {
	address := start(t)
	for _, golden := range testenv.Golden(t) {
		answer := generate(t, address, golden.Text)
		if cosine := testenv.Cosine(t, answer.Embedding, golden.Vector); cosine < 0.99999 {
			t.Errorf("%.40q: cosine %v", golden.Text, cosine)
		}
		if answer.Tokens != golden.Tokens || answer.Truncated != golden.Truncated || answer.Dimensions != 384 || answer.InferenceMS <= 0 {
			t.Errorf("%.40q: %d tokens, truncated %v, %d dimensions, %v ms; expected %d, %v, 384", golden.Text,
				answer.Tokens, answer.Truncated, answer.Dimensions, answer.InferenceMS, golden.Tokens, golden.Truncated)
		}
	}
}

func TestPromptsOverHTTPAreThoseOfSentenceTransformers(t *testing.T) {
	directory, golden := testenv.Prompts(t)
	address := serve(t, directory) + "/api/embeddings/generate"
	for _, golden := range golden {
		body := map[string]any{"text": golden.Text}
		if golden.PromptName != "" {
			body["prompt_name"] = golden.PromptName
		}
		answer := call[server.GenerateResponse](t, address, body)
		if cosine := testenv.Cosine(t, answer.Embedding, golden.Vector); cosine < 0.99999 || answer.FullTokens < answer.Tokens {
			t.Errorf("%.40q, prompt %q: cosine %v, %d of %d tokens", golden.Text, golden.PromptName, cosine, answer.Tokens, answer.FullTokens)
		}
		body["dimensions"] = 7
		some := call[server.GenerateResponse](t, address, body)
		if some.Dimensions != 7 || testenv.Cosine(t, some.Embedding, golden.Vector[:7]) < 0.99999 {
			t.Errorf("%.40q: the first of %d dimensions are others", golden.Text, some.Dimensions)
		}
	}
}

func TestThePairTable(t *testing.T) {
	address := start(t)
	cat := generate(t, address, "cat").Embedding
	for word, want := range map[string]float64{"kitten": 0.7882, "dog": 0.6606, "car": 0.4633} {
		if got := testenv.Cosine(t, cat, generate(t, address, word).Embedding); math.Abs(got-want) > 0.0001 {
			t.Errorf("cat and %s: %.4f; expected %.4f", word, got, want)
		}
	}
}

func TestManyClientsStoreAndSearch(t *testing.T) {
	address := start(t)
	topics := []string{
		"a recipe for sourdough bread", "the moons of Jupiter", "changing a bicycle tyre", "the rules of a lease",
		"pruning roses in winter", "a symphony in four movements", "routing tables of a network", "symptoms of influenza",
	}
	t.Run("clients", func(t *testing.T) {
		for i, topic := range topics {
			t.Run(topic, func(t *testing.T) {
				t.Parallel()
				items := []map[string]string{{"source_type": "topic", "source_id": fmt.Sprint(i), "text": topic}}
				batch := call[server.BatchResponse](t, address+"/api/embeddings/batch", map[string]any{"items": items})
				if batch.Processed != 1 || batch.Failed != 0 {
					t.Errorf("%+v", batch)
				}
				found := call[server.SearchResponse](t, address+"/api/search/semantic?limit=1&q="+url.QueryEscape(topic), nil)
				if len(found.Results) != 1 || found.Results[0].Text != topic || found.Results[0].Similarity < 0.9999 {
					t.Errorf("%+v", found.Results)
				}
			})
		}
	})
	found := call[server.SearchResponse](t, address+"/api/search/semantic?threshold=0.2&q="+url.QueryEscape("how do I bake"), nil)
	if len(found.Results) == 0 || found.Results[0].Text != topics[0] {
		t.Errorf("how do I bake: %+v", found.Results)
	}
	byDistance := func(a, b server.SearchResult) int { return cmp.Compare(a.Distance, b.Distance) }
	if !slices.IsSortedFunc(found.Results, byDistance) {
		t.Errorf("not the nearest first: %+v", found.Results)
	}
}

func TestTheRealStoreTakesTheOptionsOfASearch(t *testing.T) {
	address := start(t)
	items := []map[string]any{
		{"source_type": "manual", "source_id": "1", "text": "Press the red button to halt the pump.", "metadata": map[string]any{"lang": "en"}},
		{"source_type": "manual", "source_id": "2", "text": "Close the valve of the pump slowly.", "metadata": map[string]any{"lang": "en", "year": 2020}},
		{"source_type": "note", "source_id": "3", "text": "Lunch is at noon in hall B7.", "metadata": map[string]any{"lang": "en"}},
		{"source_type": "note", "source_id": "4", "text": "Das Mittagessen ist um zwölf."},
	}
	if batch := call[server.BatchResponse](t, address+"/api/embeddings/batch", map[string]any{"items": items}); batch.Processed != 4 {
		t.Fatalf("%+v", batch)
	}
	find := func(parameters string) server.SearchResponse {
		t.Helper()
		return call[server.SearchResponse](t, address+"/api/search/semantic?"+parameters, nil)
	}
	first := func(response server.SearchResponse) string {
		if len(response.Results) == 0 {
			return ""
		}
		return response.Results[0].SourceID
	}
	if found := find("threshold=-1&q=stop+the+pump&filter=" + url.QueryEscape(`["exists", "metadata.year"]`)); len(found.Results) != 1 || first(found) != "2" {
		t.Errorf("filter: %+v", found.Results)
	}
	if found := find("q=B7&mode=keywords&explain=true"); len(found.Results) != 1 || first(found) != "3" || found.Explain == nil ||
		found.Explain.Index != "none" || found.Explain.Matched != 1 {
		t.Errorf("keywords: %+v, %+v", found.Results, found.Explain)
	}
	if found := find("q=stop+machine+B7&mode=hybrid&words_weight=5&explain=true"); first(found) != "3" || found.Results[0].WordsRank != 1 ||
		found.Explain.Compared == 0 {
		t.Errorf("hybrid: %+v, %+v", found.Results, found.Explain)
	}
	page := find("threshold=-1&limit=3&details=true&q=stop+the+pump")
	rest := find("threshold=-1&limit=3&q=stop+the+pump&after=" + url.QueryEscape(page.Next))
	if len(page.Results) != 3 || len(rest.Results) != 1 || rest.Next != "" {
		t.Errorf("pages: %+v, then %+v", page, rest)
	}
	id := page.Results[0].ID
	if found := find("threshold=-1&diversity=0.3&like=" + id); len(found.Results) != 3 || first(found) != "2" {
		t.Errorf("like: %+v", found.Results)
	}
	response, err := http.Get(address + "/api/search/semantic?q=a&filter=" + url.QueryEscape(`["=", "colour", "red"]`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var problem struct{ Detail string }
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || response.StatusCode != 400 || !strings.Contains(problem.Detail, `filter[1] is "colour"`) {
		t.Errorf("status %d, %q, error %v", response.StatusCode, problem.Detail, err)
	}
}
