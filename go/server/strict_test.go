package server_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
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
		"?q=a&page=2": `unknown parameter "page"; expected "after", "candidates", "depth", "details", "diversity", "explain", "filter", "group", ` +
			`"like", "limit", "mode", "q", "rank_constant", "threshold", "vector_weight" or "words_weight"`,
		"?Q=a":                              `unknown parameter "Q"`,
		"?q=a&mode=words":                   `parameter "mode" is "words"; expected "vector", "hybrid" or "keywords"`,
		"?q=a&mode=Vector":                  `"Vector"`,
		"?q=a&like=b":                       `parameter "like" and a query; expected one of them`,
		"?like=":                            `parameter "like" is empty`,
		"?like=b&mode=hybrid":               `parameter "like" is for mode vector only`,
		"?q=a&group=1":                      `parameter "group" is "1"; expected true or false`,
		"?q=a&details=yes":                  `parameter "details" is "yes"`,
		"?q=a&explain=TRUE":                 `parameter "explain" is "TRUE"`,
		"?q=a&diversity=1.5":                `parameter "diversity" is "1.5"; expected a number from 0 to 1`,
		"?q=a&diversity=NaN":                `"NaN"`,
		"?q=a&diversity=1&mode=hybrid":      `parameter "diversity" is for mode vector only`,
		"?q=a&candidates=9":                 `parameter "candidates" needs parameter "diversity" of more than 0`,
		"?q=a&candidates=10001&diversity=1": `parameter "candidates" is "10001"; expected an integer from 1 to 10000`,
		"?q=a&vector_weight=2":              `parameter "vector_weight" is for mode hybrid only`,
		"?q=a&mode=keywords&depth=5":        `parameter "depth" is for mode hybrid only`,
		"?q=a&mode=keywords&threshold=0":    `parameter "threshold" is for vectors, and mode keywords has none`,
		"?q=a&mode=hybrid&words_weight=-1":  `parameter "words_weight" is "-1"; expected a number from 0 to`,
		"?q=a&mode=hybrid&rank_constant=0":  `parameter "rank_constant" is "0"; expected a number from 1 to`,
		"?q=a&mode=hybrid&vector_weight=0&words_weight=0": `parameter "vector_weight" is 0, as the other weight`,
		"?q=a&after=b":                                `parameter "after": "b" is no place between two pages`,
		"?q=a&after=NaN,b":                            `"NaN,b" is no place`,
		"?q=a&after=0.5,":                             `"0.5," is no place`,
		"?q=a&after=0.5,b&diversity=0.5":              `parameter "after" goes by distance`,
		"?q=a&after=0.5,b&mode=keywords":              `parameter "after" is for mode vector only`,
		"?q=a&filter=x":                               `parameter "filter": the filter is not JSON`,
		"?q=a&filter=" + url.QueryEscape(`["and"] 1`): "more after its end, at byte 7",
		"?q=a&filter={}":                              `filter is {}; expected a condition such as`,
		"?q=a&filter=[]":                              `filter is []; expected a condition`,
		"?q=a&filter=" + url.QueryEscape(`["and",["like","a","b"]]`):                                 `filter[1][0] is "like"; expected and, or, not`,
		"?q=a&filter=" + url.QueryEscape(`["not"]`):                                                  `filter: "not" takes 1 filter, here are 0`,
		"?q=a&filter=" + url.QueryEscape(`["=","id"]`):                                               `filter: "=" takes a field and a value, here are 1`,
		"?q=a&filter=" + url.QueryEscape(`["=",1,2]`):                                                `filter[1] is 1; expected the name of a field`,
		"?q=a&filter=" + url.QueryEscape(`["in","id","a"]`):                                          `filter[2] is "a"; expected an array of values`,
		"?q=a&filter=" + url.QueryEscape(`["in","id",["a",[]]]`):                                     `filter[2][1] is []; expected a string`,
		"?q=a&filter=" + url.QueryEscape(`["=","metadata.a",1e999]`):                                 `filter[2]: the number 1e999 is out of range`,
		"?q=a&filter=" + url.QueryEscape(`["=","id","\ud800"]`):                                      "surrogate",
		"?q=a&filter=" + strings.Repeat("[%22not%22,", 40):                                           "not JSON",
		"?q=a&filter=" + strings.Repeat("[%22not%22,", 40) + "[%22and%22]" + strings.Repeat("]", 40): "more than 16 levels deep",
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
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","lang":"en"}]}`, `items[0]: unknown field "lang"; expected "metadata", "source_id", "source_type" or "text"`},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","metadata":null}]}`, "items[0].metadata is null; expected an object"},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","metadata":{"k":[]}}]}`, `items[0].metadata: metadata "k": it is an object or array`},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","metadata":{"k":1,"k":1}}]}`, `metadata "k" comes twice`},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","metadata":{"k":"\ud800"}}]}`, "surrogate"},
		{"batch", `{"items":[{"source_type":"a","source_id":"b","text":"c","metadata":{"k":99999999999999999999}}]}`, "64 bits"},
		{"batch", `{"items":[` + item + `],"items":[` + item + `]}`, `"items" comes twice`},
		{"batch", `{"attestation_ids":[]}`, "attestation_ids is empty"},
		{"batch", `{"attestation_ids":"as-1"}`, "attestation_ids is a string; expected an array"},
		{"batch", `{"attestation_ids":["as-1",7]}`, "attestation_ids[1] is a number"},
		{"batch", `{"attestation_ids":[""]}`, "attestation_ids[0] is empty"},
		{"batch", `{"ids":["as-1"]}`, `unknown field "ids"; expected "attestation_ids", "chunk" or "items"`},
	} {
		t.Run(test.path+" "+test.body, func(t *testing.T) {
			isProblem(t, h.post("/api/embeddings/"+test.path, test.body), 400, test.detail)
		})
	}
	if n, err := h.store.Count(t.Context(), embeddings.Selection{}); n != 0 || err != nil {
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
	if n, err := h.store.Count(t.Context(), embeddings.Selection{}); n != 0 || err != nil {
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
	for _, path := range []string{"/page", "/api/embeddings", "/api/embeddings/", "/api/search", "/api/search/semantic/"} {
		isProblem(t, send("GET", path, ""), 404, path)
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/", "multipart/form-data; boundary=x"} {
		isProblem(t, send("POST", "/api/embeddings/generate", contentType), 415, "expected application/json")
	}
}
