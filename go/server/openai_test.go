package server_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

func withAlias(c *server.Config) { c.ModelAliases = []string{"text-embedding-3-small", "org/model"} }

func openAI(t *testing.T, h *host, body string) (vectors []any, usage map[string]any) {
	t.Helper()
	answer := h.post("/v1/embeddings", body)
	if answer.Code != 200 || answer.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s", body, answer.Code, answer.Body)
	}
	fields := object(t, answer.Body, "object", "data", "model", "usage")
	for i, entry := range fields["data"].([]any) {
		entry := entry.(map[string]any)
		if len(entry) != 3 || entry["object"] != "embedding" || entry["index"] != float64(i) {
			t.Errorf("entry %d: %v", i, entry)
		}
		vectors = append(vectors, entry["embedding"])
	}
	if fields["object"] != "list" {
		t.Errorf("object %v", fields["object"])
	}
	return vectors, fields["usage"].(map[string]any)
}

func TestOpenAIsFormGivesTheVectorsOfGenerate(t *testing.T) {
	h := newHost(withAlias)
	want := object(t, h.post("/api/embeddings/generate", `{"text":"one two"}`).Body,
		"embedding", "dimensions", "model", "tokens", "full_tokens", "truncated", "inference_ms")["embedding"]
	for _, body := range []string{
		`{"input":"one two","model":"fake"}`,
		`{"input":["one two"],"model":"fake","encoding_format":"float","user":"u"}`,
		`{"input":["three","one two"],"model":"text-embedding-3-small"}`,
	} {
		vectors, usage := openAI(t, h, body)
		if got := vectors[len(vectors)-1]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v; expected %v", body, got, want)
		}
		tokens := 4.0
		if len(vectors) == 2 {
			tokens += 3
		}
		if usage["prompt_tokens"] != tokens || usage["total_tokens"] != tokens || len(usage) != 2 {
			t.Errorf("%s: usage %v; expected %v tokens", body, usage, tokens)
		}
	}
	if vectors, _ := openAI(t, h, `{"input":"one two","model":"fake","dimensions":8}`); len(vectors[0].([]any)) != 8 {
		t.Errorf("%d dimensions; expected 8", len(vectors[0].([]any)))
	}
}

func TestBase64IsTheSameFloats(t *testing.T) {
	h := newHost()
	floats, _ := openAI(t, h, `{"input":"one two","model":"fake"}`)
	encoded, _ := openAI(t, h, `{"input":"one two","model":"fake","encoding_format":"base64"}`)
	data, err := base64.StdEncoding.DecodeString(encoded[0].(string))
	if err != nil || len(data) != 4*64 {
		t.Fatal(len(data), err)
	}
	for i, want := range floats[0].([]any) {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])); got != float32(want.(float64)) {
			t.Fatalf("component %d: %v; expected %v", i, got, want)
		}
	}
}

func TestModelsAreListedWithTheirAliases(t *testing.T) {
	h := newHost(withAlias)
	list := object(t, h.get("/v1/models").Body, "object", "data")
	var names []string
	for _, entry := range list["data"].([]any) {
		entry := entry.(map[string]any)
		name := entry["id"].(string)
		names = append(names, name)
		one := object(t, h.get("/v1/models/"+name).Body, "id", "object", "created", "owned_by")
		if fmt.Sprint(one) != fmt.Sprint(entry) || one["object"] != "model" || one["created"].(float64) < 1e9 {
			t.Errorf("%v alone, %v in the list", one, entry)
		}
	}
	if strings.Join(names, " ") != "fake text-embedding-3-small org/model" {
		t.Errorf("%q", names)
	}
	isOpenAIError(t, h.get("/v1/models/gpt-7"), 404, "model_not_found", `there is no model "gpt-7"; this server has "fake"`)
}

func isOpenAIError(t *testing.T, answer *httptest.ResponseRecorder, status int, code, message string) {
	t.Helper()
	if answer.Code != status || answer.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s; expected %d\n%s", answer.Code, answer.Header().Get("Content-Type"), status, answer.Body)
	}
	var body map[string]map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil || len(body) != 1 || len(body["error"]) != 4 {
		t.Fatalf("%s, error %v", answer.Body, err)
	}
	found := body["error"]
	if found["code"] != code || found["param"] != nil || found["type"] == "" || !strings.Contains(found["message"].(string), message) {
		t.Errorf("%v; expected %s, %q", found, code, message)
	}
}

func TestErrorsOfOpenAIsRoutesHaveItsShape(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.Texts = 3 })
	for _, test := range []struct {
		body    string
		status  int
		code    string
		message string
	}{
		{`{"model":"fake"}`, 400, "invalid_request", "input is missing"},
		{`{"input":"a"}`, 400, "invalid_request", "model is missing"},
		{`{"input":"a","model":"gpt"}`, 404, "model_not_found", `there is no model "gpt"; this server has "fake"`},
		{`{"input":"","model":"fake"}`, 400, "invalid_request", "input is empty"},
		{`{"input":[],"model":"fake"}`, 400, "invalid_request", "input is empty"},
		{`{"input":["a",""],"model":"fake"}`, 400, "invalid_request", "input[1] is empty"},
		{`{"input":[1,2],"model":"fake"}`, 400, "invalid_request", "input[0] is of an array of token ids"},
		{`{"input":[[1,2]],"model":"fake"}`, 400, "invalid_request", "input[0] is of an array of token ids"},
		{`{"input":{},"model":"fake"}`, 400, "invalid_request", "input is neither a string nor an array of strings"},
		{`{"input":5,"model":"fake"}`, 400, "invalid_request", "input is neither"},
		{`{"input":["a","b","c","d"],"model":"fake"}`, 413, "too_many_items", "input has more than 3 entries"},
		{`{"input":"a","model":"fake","encoding_format":"hex"}`, 400, "invalid_request", `encoding_format is "hex"; expected "float" or "base64"`},
		{`{"input":"a","model":"fake","dimensions":0}`, 400, "invalid_request", `dimensions is "0"`},
		{`{"input":"a","model":"fake","dimensions":65}`, 400, "invalid_request", "65"},
		{`{"input":"a","model":"fake","inputs":"b"}`, 400, "invalid_request", `unknown field "inputs"`},
		{`{"input":"` + strings.Repeat("x", 8001) + `","model":"fake"}`, 413, "text_too_long", "input[0] has 8001 characters; expected at most 8000"},
		{`{`, 400, "invalid_request", "not valid JSON"},
	} {
		t.Run(fmt.Sprintf("%.60s", test.body), func(t *testing.T) {
			isOpenAIError(t, h.post("/v1/embeddings", test.body), test.status, test.code, test.message)
		})
	}
	isOpenAIError(t, h.get("/v1/embeddings"), 405, "method_not_allowed", "GET")
	isOpenAIError(t, h.get("/v1/completions"), 404, "not_found", "/v1/completions")
	if n := h.service.Texts.Load(); n != 0 {
		t.Errorf("%d texts were embedded all the same", n)
	}
}
