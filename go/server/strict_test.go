package server_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

func TestBadSearchesAreRefused(t *testing.T) {
	h := newHost()
	for query, detail := range map[string]string{
		"":                             `"q"`,
		"?q=":                          `parameter "q" is empty`,
		"?q=+%09":                      `parameter "q" is blank`,
		"?q=a&q=b":                     `parameter "q" comes 2 times`,
		"?q=%ff":                       `parameter "q" is not valid UTF-8`,
		"?q=%zz":                       "invalid URL escape",
		"?q=a;b":                       "semicolon",
		"?limit=3":                     `"q"`,
		"?q=a&limit=":                  `parameter "limit" is empty`,
		"?q=a&limit=0":                 `parameter "limit" is "0"; expected an integer from 1 to 1000`,
		"?q=a&limit=-1":                `"-1"`,
		"?q=a&limit=1001":              `"1001"`,
		"?q=a&limit=1.5":               `"1.5"`,
		"?q=a&limit=ten":               `"ten"`,
		"?q=a&limit=1&limit=1":         `"limit" comes 2 times`,
		"?q=a&threshold=":              `parameter "threshold" is empty`,
		"?q=a&threshold=NaN":           `parameter "threshold" is "NaN"; expected a cosine, a number from -1 to 1`,
		"?q=a&threshold=Inf":           `"Inf"`,
		"?q=a&threshold=1.1":           `"1.1"`,
		"?q=a&threshold=-2":            `"-2"`,
		"?q=a&threshold=high":          `"high"`,
		"?q=a&threshold=0&threshold=0": `"threshold" comes 2 times`,
		"?q=a&page=2":                  `unknown parameter "page"; expected "limit", "q" or "threshold"`,
		"?Q=a":                         `unknown parameter "Q"`,
	} {
		t.Run(query, func(t *testing.T) { isProblem(t, h.get("/api/search/semantic"+query), 400, detail) })
	}
	if n := h.service.Texts.Load(); n != 0 {
		t.Errorf("%d texts were embedded all the same", n)
	}
}

func TestBadBodiesAreRefused(t *testing.T) {
	h := newHost()
	const item = `{"source_type":"a","source_id":"b","text":"c"}`
	for _, test := range []struct{ path, body, detail string }{
		{"generate", ``, "empty"},
		{"generate", `{`, "not valid JSON"},
		{"generate", `[]`, "an array; expected an object"},
		{"generate", `{}`, "text is missing"},
		{"generate", `{"text":""}`, "text is empty"},
		{"generate", `{"text":" \n"}`, "text is empty"},
		{"generate", `{"text":null}`, "text is null; expected a string"},
		{"generate", `{"text":5}`, "text is a number; expected a string"},
		{"generate", `{"text":["a"]}`, "text is an array; expected a string"},
		{"generate", `{"text":"a","text":"b"}`, `"text" comes twice`},
		{"generate", `{"text":"a","model":"b"}`, `unknown field "model"; expected "dimensions", "prompt", "prompt_name", "text" or "truncate"`},
		{"generate", `{"text":"a","prompt_name":""}`, "prompt_name is empty"},
		{"generate", `{"text":"a","prompt_name":null}`, "prompt_name is null; expected a string"},
		{"generate", `{"text":"a","prompt_name":"nonsense"}`, "nonsense"},
		{"generate", `{"text":"a","prompt":7}`, "prompt is a number; expected a string"},
		{"generate", `{"text":"a","prompt":"b","prompt_name":"query"}`, "both prompt_name and prompt"},
		{"generate", `{"text":"a","prompt_name":"query","prompt":""}`, "both prompt_name and prompt"},
		{"generate", `{"text":"a","dimensions":"8"}`, "dimensions is a string; expected a number"},
		{"generate", `{"text":"a","dimensions":0}`, `dimensions is "0"; expected an integer of 1 or more`},
		{"generate", `{"text":"a","dimensions":-1}`, `"-1"`},
		{"generate", `{"text":"a","dimensions":8.5}`, `"8.5"`},
		{"generate", `{"text":"a","dimensions":1e1}`, `"1e1"`},
		{"generate", `{"text":"a","dimensions":99999999999999999999}`, `"99999999999999999999"`},
		{"generate", `{"text":"a","dimensions":65}`, "65"},
		{"generate", `{"text":"a","truncate":true}`, "truncate is a boolean; expected a string"},
		{"generate", `{"text":"a","truncate":"Right"}`, `truncate is "Right"; expected "default", "right", "left" or "error"`},
		{"generate", `{"TEXT":"a"}`, `unknown field "TEXT"`},
		{"generate", `{"text":"a"} {"text":"b"}`, "after top-level value"},
		{"generate", "{\"text\":\"\xff\"}", "not valid UTF-8"},
		{"generate", `{"text":"\ud800"}`, "surrogate"},
		{"generate?text=a", `{"text":"a"}`, `unknown parameter "text"`},
		{"batch", `{}`, "one of items and attestation_ids"},
		{"batch", `{"items":[` + item + `],"attestation_ids":["as-1"]}`, "one of items and attestation_ids"},
		{"batch", `{"items":[]}`, "items is empty"},
		{"batch", `{"items":{}}`, "items is an object; expected an array"},
		{"batch", `{"items":null}`, "items is null; expected an array"},
		{"batch", `{"items":["a"]}`, "items[0] is a string; expected an object"},
		{"batch", `{"items":[` + item + `,{"source_type":"a","source_id":"b"}]}`, "items[1].text is missing"},
		{"batch", `{"items":[` + item + `,{"source_type":"a","source_id":"b","text":""}]}`, "items[1].text is empty"},
		{"batch", `{"items":[{"source_type":"a","source_id":"","text":"c"}]}`, "items[0].source_id is empty"},
		{"batch", `{"items":[{"source_type":"a","source_id":1,"text":"c"}]}`, "items[0].source_id is a number"},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","lang":"en"}]}`, `items[0]: unknown field "lang"`},
		{"batch", `{"items":[` + item + `],"items":[` + item + `]}`, `"items" comes twice`},
		{"batch", `{"attestation_ids":[]}`, "attestation_ids is empty"},
		{"batch", `{"attestation_ids":"as-1"}`, "attestation_ids is a string; expected an array"},
		{"batch", `{"attestation_ids":["as-1",7]}`, "attestation_ids[1] is a number"},
		{"batch", `{"attestation_ids":[""]}`, "attestation_ids[0] is empty"},
		{"batch", `{"ids":["as-1"]}`, `unknown field "ids"; expected "attestation_ids" or "items"`},
	} {
		t.Run(test.path+" "+test.body, func(t *testing.T) {
			isProblem(t, h.post("/api/embeddings/"+test.path, test.body), 400, test.detail)
		})
	}
	if n, err := h.store.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d rows, error %v: a refused batch stored something", n, err)
	}
}

func TestWhatIsTooLargeIsA413(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.TextChars = server.DefaultBodyBytes })
	text := func(size int) string {
		frame := len(`{"text":""}`)
		return `{"text":"` + strings.Repeat("a ", (size-frame)/2) + strings.Repeat("a", (size-frame)%2) + `"}`
	}
	if answer := h.post("/api/embeddings/generate", text(server.DefaultBodyBytes)); answer.Code != 200 {
		t.Fatal(answer.Code, answer.Body)
	}
	isProblem(t, h.post("/api/embeddings/generate", text(server.DefaultBodyBytes+1)), 413, "2000000 bytes")
	isProblem(t, h.post("/api/embeddings/batch", strings.Repeat(" ", server.DefaultBodyBytes+1)), 413, "2000000 bytes")

	items := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"source_type":"a","source_id":"%d","text":"t"}`, i))
		}
		return `{"items":[` + strings.Join(list, ",") + `]}`
	}
	isProblem(t, h.post("/api/embeddings/batch", items(server.DefaultTexts+1)), 413, "items has more than 2048 entries")
	if n, err := h.store.Count(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d rows, error %v", n, err)
	}
	if answer := h.post("/api/embeddings/batch", items(server.DefaultTexts)); answer.Code != 200 {
		t.Fatal(answer.Code, answer.Body)
	}
	ids := strings.Repeat(`"x",`, server.DefaultTexts) + `"x"`
	isProblem(t, h.post("/api/embeddings/batch", `{"attestation_ids":[`+ids+`]}`), 413, "attestation_ids has more than 2048 entries")
}

func TestOtherMethodsPathsAndTypesAreRefused(t *testing.T) {
	h := newHost()
	send := func(method, path, contentType string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, path, strings.NewReader(`{"text":"a"}`))
		if contentType != "" {
			request.Header.Set("Content-Type", contentType)
		}
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		return recorder
	}
	for path, allow := range map[string]string{
		"/api/search/semantic?q=a": "GET, HEAD",
		"/api/embeddings/generate": "POST",
		"/api/embeddings/batch":    "POST",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if strings.Contains(allow, method) {
				continue
			}
			answer := send(method, path, "application/json")
			isProblem(t, answer, 405, method)
			if got := answer.Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow is %q; expected %q", method, path, got, allow)
			}
		}
	}
	if answer := send("HEAD", "/api/search/semantic?q=a", ""); answer.Code != 200 {
		t.Errorf("HEAD: %d", answer.Code)
	}
	for _, path := range []string{"/", "/api/embeddings", "/api/embeddings/", "/api/search", "/api/search/semantic/"} {
		isProblem(t, send("GET", path, ""), 404, path)
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/", "multipart/form-data; boundary=x"} {
		isProblem(t, send("POST", "/api/embeddings/generate", contentType), 415, "expected application/json")
	}
}
