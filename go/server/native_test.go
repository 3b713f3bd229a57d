//go:build rustembeddings && cgo

package server_test

import (
	"bytes"
	"cmp"
	"context"
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
	"time"

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
	return serveStore(t, model, filepath.Join(t.TempDir(), "test.db"))
}

// serveStore serves a database that may be there.
func serveStore(t *testing.T, model, db string) string {
	t.Helper()
	service, err := embeddings.NewManagedEmbeddingService(model, embeddings.WithONNXRuntime(testenv.ONNXRuntime(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	store, err := embeddings.OpenEmbeddingStore(db)
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

func sourceRows(t *testing.T, address, id string) []server.Row {
	t.Helper()
	return call[server.RowsResponse](t, address+"/api/embeddings/sources/note/"+id, nil).Rows
}

func TestLongTextsAreStoredInChunksByAllThreeRoutes(t *testing.T) {
	address := start(t)
	sentence := "The pump is stopped by the red button on panel A. "
	text := strings.TrimSpace(strings.Repeat(sentence, 20))
	item := func(id string) string {
		return fmt.Sprintf(`{"source_type":"note","source_id":%q,"text":%q}`, id, text)
	}
	const chunk = `{"max_tokens":40,"overlap":14}`
	for _, request := range []struct{ method, path, contentType, body string }{
		{"POST", "/api/embeddings/batch", "application/json", `{"chunk":` + chunk + `,"items":[` + item("batch") + `]}`},
		{"PUT", "/api/embeddings/sources/note/put", "application/json", fmt.Sprintf(`{"chunk":%s,"text":%q}`, chunk, text)},
		{"POST", "/api/embeddings/batch?chunk=" + url.QueryEscape(chunk), "application/x-ndjson", item("stream")},
	} {
		for range 2 { // the second time there is nothing to do
			r, err := http.NewRequestWithContext(t.Context(), request.method, address+request.path, strings.NewReader(request.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", request.contentType)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != 200 {
				t.Fatal(request.path, response.Status)
			}
		}
	}
	want := sourceRows(t, address, "batch")
	if len(want) < 5 || want[1].ChunkStart >= want[0].ChunkEnd || want[len(want)-1].ChunkEnd != len(text) {
		t.Fatalf("%+v", want)
	}
	for _, id := range []string{"put", "stream"} {
		rows := sourceRows(t, address, id)
		if len(rows) != len(want) {
			t.Fatalf("%s: %d rows; expected %d", id, len(rows), len(want))
		}
		for i, row := range rows {
			if row.Chunk != i+1 || row.Text != want[i].Text || row.ChunkStart != want[i].ChunkStart || row.ChunkEnd != want[i].ChunkEnd {
				t.Errorf("%s: %+v; expected %+v", id, row, want[i])
			}
		}
	}
	// Put whole, a source has one row again.
	call[server.BatchResponse](t, address+"/api/embeddings/batch", json.RawMessage(`{"items":[`+item("batch")+`]}`))
	if rows := sourceRows(t, address, "batch"); len(rows) != 1 || rows[0].Chunk != 0 {
		t.Errorf("%+v", rows)
	}
}

func TestTheStateOfTheIndexIsTold(t *testing.T) {
	address := serve(t, testenv.TinyModel(t))
	var items []map[string]string
	for i := range 300 {
		items = append(items, map[string]string{"source_type": "note", "source_id": fmt.Sprint(i), "text": strings.Repeat("word ", i%30+1)})
	}
	info := func() server.IndexInfo {
		answer := call[server.InfoResponse](t, address+"/api/embeddings/info", nil)
		if answer.Index == nil {
			t.Fatal("no index")
		}
		return *answer.Index
	}
	if got := info(); got != (server.IndexInfo{MaxResidentBytes: 1 << 31}) {
		t.Errorf("empty: %+v", got)
	}
	call[server.BatchResponse](t, address+"/api/embeddings/batch", map[string]any{"items": items})
	if got := info(); got != (server.IndexInfo{Rows: 300, Durable: true, MaxResidentBytes: 1 << 31}) {
		t.Errorf("before any search: %+v", got)
	}
	for range 200 {
		call[server.SearchResponse](t, address+"/api/search/semantic?q=word&threshold=-1", nil)
		if info().Resident {
			break
		}
	}
	if got := info(); !got.Resident || got.ResidentRows != 300 || got.ResidentBytes < 300*64 || got.ResidentBytes > 1<<20 {
		t.Errorf("after searches: %+v", got)
	}
}

func TestAMoveThatWasLeftIsGoneOnWith(t *testing.T) {
	db := filepath.Join(t.TempDir(), "test.db")
	const rows = 3000
	old := serveStore(t, testenv.TinyModel(t), db)
	for first := 0; first < rows; first += 1000 {
		var items []map[string]string
		for i := first; i < first+1000; i++ {
			items = append(items, map[string]string{"source_type": "note", "source_id": fmt.Sprint(i), "text": strings.Repeat("word ", i%30+1)})
		}
		call[server.BatchResponse](t, old+"/api/embeddings/batch", map[string]any{"items": items})
	}
	directory, _ := testenv.Prompts(t)
	address := serveStore(t, directory, db)

	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/api/embeddings/reindex", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events := readEvents(t, response.Body, func(e event) bool { return e.data["done"].(float64) > 0 })
	hangUp()
	first := events[len(events)-1]
	if first.name != "progress" || first.data["total"] != float64(rows) {
		t.Fatal(events)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		again, err := http.Post(address+"/api/embeddings/reindex", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Body.Close()
		if again.StatusCode == 409 && time.Now().Before(deadline) { // the first one is ending
			continue
		}
		events = readEvents(t, again.Body, nil)
		break
	}
	last := events[len(events)-1]
	if last.name != "done" || last.data["deleted"] != float64(rows) || last.data["embedded"].(float64) > rows-256 {
		t.Errorf("the second: %v", events)
	}
	info := call[server.InfoResponse](t, address+"/api/embeddings/info", nil)
	if *info.Rows != rows || info.Index.Rows != rows {
		t.Errorf("%+v", info)
	}
}
