package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

// filled has rows of two sources and three languages.
func filled(t *testing.T) *host {
	t.Helper()
	h := newHost()
	answer := h.post("/api/embeddings/batch", `{"items": [
		{"source_type": "manual", "source_id": "1", "text": "red", "metadata": {"lang": "en", "year": 2020}},
		{"source_type": "manual", "source_id": "2", "text": "red green", "metadata": {"lang": "de", "year": 2021}},
		{"source_type": "note", "source_id": "1", "text": "red green blue", "metadata": {"lang": "en"}},
		{"source_type": "note", "source_id": "2", "text": "elsewhere entirely"}]}`)
	if answer.Code != 200 {
		t.Fatal(answer.Code, answer.Body)
	}
	return h
}

// find searches; parameters are name, value, name, value.
func (h *host) find(t *testing.T, parameters ...string) server.SearchResponse {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	answer := h.get("/api/search/semantic?" + values.Encode())
	if answer.Code != 200 {
		t.Fatalf("%v: %d %s", parameters, answer.Code, answer.Body)
	}
	var response server.SearchResponse
	if err := json.NewDecoder(answer.Body).Decode(&response); err != nil {
		t.Fatal(err)
	}
	return response
}

func sources(response server.SearchResponse) (found []string) {
	for _, result := range response.Results {
		found = append(found, result.SourceType+" "+result.SourceID)
	}
	return found
}

func TestASearchTakesTheOptionsOfTheStore(t *testing.T) {
	h := filled(t)
	for _, test := range []struct {
		parameters []string
		want       []string
	}{
		{[]string{"q", "red"}, []string{"manual 1", "manual 2", "note 1"}},
		{[]string{"q", "red", "filter", `["=", "source_type", "note"]`}, []string{"note 1"}},
		{[]string{"q", "red", "filter", `["in", "metadata.lang", ["de", "fr"]]`}, []string{"manual 2"}},
		{[]string{"q", "red", "filter", `["not", ["exists", "metadata.year"]]`, "threshold", "-1"}, []string{"note 1", "note 2"}},
		{[]string{"q", "red", "limit", "1", "filter", `[">", "metadata.year", 2020]`}, []string{"manual 2"}},
		{[]string{"q", "blue elsewhere", "mode", "keywords"}, []string{"note 1", "note 2"}},
		{[]string{"q", "blue", "mode", "keywords", "filter", `["=", "source_type", "manual"]`}, nil},
		{[]string{"q", "red", "mode", "hybrid", "vector_weight", "0"}, []string{"manual 1", "manual 2", "note 1"}},
		{[]string{"q", "red", "mode", "hybrid", "words_weight", "0", "threshold", "0.9"}, []string{"manual 1"}},
		{[]string{"q", "red", "group", "true"}, []string{"manual 1", "manual 2", "note 1"}},
		{[]string{"q", "red", "group", "false", "diversity", "0"}, []string{"manual 1", "manual 2", "note 1"}},
		{[]string{"q", "red", "diversity", "0.9", "candidates", "50", "threshold", "-1", "limit", "2"}, []string{"manual 1", "note 2"}},
	} {
		if found := sources(h.find(t, test.parameters...)); !slices.Equal(found, test.want) {
			t.Errorf("%q finds %q; expected %q", test.parameters, found, test.want)
		}
	}
}

func TestKeywordsNeedNoInference(t *testing.T) {
	h := filled(t)
	h.service.Texts.Store(0)
	response := h.find(t, "q", "blue", "mode", "keywords")
	if h.service.Texts.Load() != 0 || len(response.Results) != 1 {
		t.Fatalf("%d texts were embedded, %+v", h.service.Texts.Load(), response)
	}
	if r := response.Results[0]; r.SearchDetails == nil || r.WordsRank != 1 || r.VectorRank != 0 || r.Score <= 0 || r.Similarity != 0 {
		t.Errorf("%+v", r)
	}
}

func TestDetailsSayAllThatIsKnown(t *testing.T) {
	h := filled(t)
	plain, response := h.find(t, "q", "red"), h.find(t, "q", "red", "details", "true")
	if plain.Results[0].SearchDetails != nil || plain.Next != "" {
		t.Errorf("details that nobody asked for: %+v", plain)
	}
	first, last := response.Results[0], response.Results[2]
	if first.SearchDetails == nil || first.ID == "" || first.Metadata["year"] != int64(2020) || first.CreatedAt.IsZero() ||
		first.UpdatedAt.IsZero() || first.Score != first.Similarity || first.VectorRank != 1 || last.VectorRank != 3 || last.Metadata["lang"] != "en" {
		t.Errorf("%+v", response.Results)
	}
	// The names, and an empty object where there is no metadata.
	answer := h.get("/api/search/semantic?q=elsewhere+entirely&details=true")
	result := object(t, answer.Body, "query", "results", "stats")["results"].([]any)[0].(map[string]any)
	for _, name := range []string{"source_type", "source_id", "text", "similarity", "distance", "id", "chunk", "chunk_start", "chunk_end",
		"metadata", "created_at", "updated_at", "score", "vector_rank", "words_rank"} {
		if _, there := result[name]; !there {
			t.Errorf("no field %s in %v", name, result)
		}
	}
	if metadata, ok := result["metadata"].(map[string]any); len(result) != 15 || !ok || len(metadata) != 0 {
		t.Errorf("%v", result)
	}
}

func TestMoreLikeARow(t *testing.T) {
	h := filled(t)
	id := h.find(t, "q", "red", "details", "true", "limit", "1").Results[0].ID
	h.service.Texts.Store(0)
	response := h.find(t, "like", id)
	if found := sources(response); !slices.Equal(found, []string{"manual 2", "note 1"}) || response.Query != "" || h.service.Texts.Load() != 0 {
		t.Errorf("%q, query %q, %d texts embedded", found, response.Query, h.service.Texts.Load())
	}
	isProblem(t, h.get("/api/search/semantic?like=nobody"), 404, `parameter "like" is "nobody"; there is no row with this id`)
}

func TestPagesOfASearch(t *testing.T) {
	h := newHost()
	var items []string
	for i := range 20 {
		text := "red" + strings.Repeat(" green", i/5) // with equals
		items = append(items, fmt.Sprintf(`{"source_type": "a", "source_id": "%d", "text": "%s"}`, i, text))
	}
	if answer := h.post("/api/embeddings/batch", `{"items": [`+strings.Join(items, ",")+`]}`); answer.Code != 200 {
		t.Fatal(answer.Body)
	}
	whole := sources(h.find(t, "q", "red", "limit", "100", "threshold", "-1"))
	var paged []string
	parameters := []string{"q", "red", "limit", "3", "threshold", "-1", "details", "true"}
	for pages := 1; ; pages++ {
		response := h.find(t, parameters...)
		paged = append(paged, sources(response)...)
		if response.Next == "" {
			if pages != 7 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		parameters = []string{"q", "red", "limit", "3", "threshold", "-1", "after", response.Next}
	}
	if len(whole) != 20 || !slices.Equal(paged, whole) {
		t.Errorf("pages give %q; expected %q", paged, whole)
	}
}

func TestAStoreThatCannotExplainSaysSo(t *testing.T) {
	h := filled(t)
	isProblem(t, h.get("/api/search/semantic?q=red&explain=true"), 501, "does not say how it has searched")
	if found := h.find(t, "q", "red", "explain", "false"); found.Explain != nil {
		t.Errorf("%+v", found.Explain)
	}
}
