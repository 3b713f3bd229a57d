package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestItemsAreReadStrictly(t *testing.T) {
	good := embeddings.Item{SourceType: "a", SourceID: "b", Text: "c"}
	for _, test := range []struct {
		json string
		item embeddings.Item
		err  string // a part of it
	}{
		{`{"source_type":"a","source_id":"b","text":"c"}`, good, ""},
		{" \n{ \"text\" : \"c\" ,\t\"source_id\" : \"b\" , \"source_type\" : \"a\" } \r\n", good, ""},
		{`{"source_type":"a","source_id":"b","t\u0065xt":"c"}`, good, ""},
		{`{"source_type":"a","source_id":"b","text":"\ud83d\ude00 \u0000 \\ud800 �"}`,
			embeddings.Item{SourceType: "a", SourceID: "b", Text: "😀 \x00 \\ud800 \ufffd"}, ""},
		{``, embeddings.Item{}, "empty"},
		{`   `, embeddings.Item{}, "empty"},
		{`{`, embeddings.Item{}, "not valid JSON"},
		{`{"text":"c",}`, embeddings.Item{}, "not valid JSON"},
		{`{} {}`, embeddings.Item{}, "after top-level value"},
		{"{\"text\":\"\xff\"}", embeddings.Item{}, "UTF-8: the byte at 9"},
		{"\ufeff{}", embeddings.Item{}, "not valid JSON"},
		{`[]`, embeddings.Item{}, "an array; expected an object"},
		{`"x"`, embeddings.Item{}, "a string; expected an object"},
		{`null`, embeddings.Item{}, "null; expected an object"},
		{`17`, embeddings.Item{}, "a number; expected an object"},
		{`{}`, embeddings.Item{}, "source_type is missing"},
		{`{"source_type":"a","source_id":"b"}`, embeddings.Item{}, "text is missing"},
		{`{"source_type":"a","source_id":"b","text":""}`, embeddings.Item{}, "text is empty"},
		{`{"source_type":"a","source_id":" \t\n","text":"c"}`, embeddings.Item{}, "source_id is empty"},
		{`{"source_type":"a","source_id":7,"text":"c"}`, embeddings.Item{}, "source_id is a number; expected a string"},
		{`{"source_type":"a","source_id":"b","text":null}`, embeddings.Item{}, "text is null; expected a string"},
		{`{"source_type":"a","source_id":"b","text":["c"]}`, embeddings.Item{}, "text is an array; expected a string"},
		{`{"source_type":"a","source_id":"b","text":true}`, embeddings.Item{}, "text is a boolean; expected a string"},
		{`{"source_type":"a","source_id":"b","Text":"c"}`, embeddings.Item{}, `unknown field "Text"; expected "metadata", "source_id", "source_type" or "text"`},
		{`{"source_type":"a","source_id":"b","text":"c","metadata":{"k":1,"f":1.0,"n":null}}`,
			embeddings.Item{SourceType: "a", SourceID: "b", Text: "c", Metadata: embeddings.Metadata{"k": int64(1), "f": 1.0, "n": nil}}, ""},
		{`{"source_type":"a","source_id":"b","text":"c","metadata":{}}`, good, ""},
		{`{"source_type":"a","source_id":"b","text":"c","metadata":[]}`, embeddings.Item{}, "metadata is an array; expected an object"},
		{`{"source_type":"a","source_id":"b","text":"c","metadata":{"k":{}}}`, embeddings.Item{}, `metadata "k": it is an object or array`},
		{`{"source_type":"a","source_id":"b","text":"c","metadata":{"k":1,"k":2}}`, embeddings.Item{}, `"k" comes twice`},
		{`{"source_type":"a","source_id":"b","text":"c","text":"d"}`, embeddings.Item{}, `"text" comes twice`},
		{`{"source_type":"a","source_id":"b","text":"\ud800"}`, embeddings.Item{}, "surrogate"},
		{`{"source_type":"a","source_id":"b","text":"\udc00\ud800"}`, embeddings.Item{}, "surrogate"},
		{`{"source_type":"a","source_id":"b","text":"\ud83dA"}`, embeddings.Item{}, "surrogate"},
		{`{"source_type":"a","source_id":"b","text":"\ud83d\n\ude00"}`, embeddings.Item{}, "surrogate"},
	} {
		document, err := Document([]byte(test.json))
		var item embeddings.Item
		if err == nil {
			item, err = Item("", document)
		}
		switch {
		case test.err == "" && (err != nil || !reflect.DeepEqual(item, test.item)):
			t.Errorf("%s: %+v, error %v", test.json, item, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v; expected %q", test.json, err, test.err)
		}
	}
}

func TestListsHaveALimitAndNameTheirEntries(t *testing.T) {
	read := func(list string, limit int) (paths []string, err error) {
		err = List("ids", json.RawMessage(list), limit, func(path string, value json.RawMessage) error {
			paths = append(paths, path)
			_, err := Text(path, value)
			return err
		})
		return paths, err
	}
	if paths, err := read(`["a", "b"]`, 2); err != nil || strings.Join(paths, " ") != "ids[0] ids[1]" {
		t.Error(paths, err)
	}
	if _, err := read(`["a", "b", "c"]`, 2); !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), "ids") {
		t.Error(err)
	}
	for list, want := range map[string]string{
		`[]`:                   "ids is empty",
		`"a"`:                  "ids is a string; expected an array",
		`["a", 1]`:             "ids[1] is a number",
		`["a", "b",` + ` " "]`: "ids[2] is empty",
	} {
		if _, err := read(list, 9); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; expected %q", list, err, want)
		}
	}
}

func TestParametersOutOfRangeAreRefused(t *testing.T) {
	for value, want := range map[string]int{"1": 1, "1000": 1000, "17": 17} {
		if got, err := CountTo("limit", value, 1000); err != nil || got != want {
			t.Errorf("limit %q: %d, error %v", value, got, err)
		}
	}
	for _, value := range []string{"", "0", "-1", "1001", "1.0", "1e2", " 5", "ten", "99999999999999999999", "0x10", "1_0"} {
		if got, err := CountTo("--limit", value, 1000); err == nil || !strings.Contains(err.Error(), "--limit") {
			t.Errorf("limit %q: %d, error %v", value, got, err)
		}
	}
	for value, want := range map[string]float32{"0": 0, "-1": -1, "1": 1, "0.3": 0.3, "-.5": -0.5, "1e-3": 0.001} {
		if got, err := Threshold("threshold", value); err != nil || got != want {
			t.Errorf("threshold %q: %v, error %v", value, got, err)
		}
	}
	for _, value := range []string{"", "NaN", "nan", "Inf", "-Inf", "+Infinity", "1.0001", "-1.0001", "0,3", "high", "1e400"} {
		if got, err := Threshold("--threshold", value); err == nil || !strings.Contains(err.Error(), "--threshold") {
			t.Errorf("threshold %q: %v, error %v", value, got, err)
		}
	}
	for value, want := range map[string]int{"1": 1, "384": 384, "1000000": 1000000} {
		if got, err := Count("dimensions", value); err != nil || got != want {
			t.Errorf("dimensions %q: %d, error %v", value, got, err)
		}
	}
	for _, value := range []string{"", "0", "-1", "8.5", "1e3", " 5", "ten", "99999999999999999999"} {
		if got, err := Count("--dimensions", value); err == nil || !strings.Contains(err.Error(), "--dimensions") {
			t.Errorf("dimensions %q: %d, error %v", value, got, err)
		}
	}
	for value, want := range map[string]embeddings.Truncate{"default": embeddings.TruncateDefault,
		"right": embeddings.TruncateRight, "left": embeddings.TruncateLeft, "error": embeddings.TruncateError} {
		if got, err := Truncate("truncate", value); err != nil || got != want {
			t.Errorf("truncate %q: %v, error %v", value, got, err)
		}
	}
	for _, value := range []string{"", "Right", "none", "1"} {
		if _, err := Truncate("--truncate", value); err == nil || !strings.Contains(err.Error(), `"left" or "error"`) {
			t.Errorf("truncate %q: %v", value, err)
		}
	}
}

func TestAStringMayBeEmptyAndANumberIsLeftAsItIsWritten(t *testing.T) {
	for json, want := range map[string]string{`""`: "", `" "`: " ", `"query: "`: "query: ", `"\u0000"`: "\x00"} {
		if got, err := String("prompt", []byte(json)); err != nil || got != want {
			t.Errorf("%s: %q, error %v", json, got, err)
		}
	}
	for _, json := range []string{`null`, `7`, `["a"]`, `"\ud800"`} {
		if _, err := String("prompt", []byte(json)); err == nil || !strings.Contains(err.Error(), "prompt") {
			t.Errorf("%s: %v", json, err)
		}
	}
	for _, json := range []string{`7`, `-1`, `1e2`, `8.5`} {
		if got, err := Number("dimensions", []byte(json)); err != nil || got != json {
			t.Errorf("%s: %q, error %v", json, got, err)
		}
	}
	if _, err := Number("dimensions", []byte(`"7"`)); err == nil || !strings.Contains(err.Error(), "is a string; expected a number") {
		t.Error(err)
	}
}

func TestRecordsAreReadStrictly(t *testing.T) {
	const needed = `"source_type":"a","source_id":"b","text":" ","fingerprint":"f","vector":[1,-0.5]`
	record, err := Record([]byte(`{` + needed + `,"id":"i","chunk":1,"chunk_start":2,"chunk_end":3,"model":"m","metadata":{"k":1},"dimensions":2,
		"created_at":"2026-01-31T00:00:00Z","updated_at":null}`))
	want := embeddings.Record{ID: "i", SourceType: "a", SourceID: "b", Chunk: 1, ChunkStart: 2, ChunkEnd: 3, Text: " ", Model: "m",
		Fingerprint: "f", Metadata: embeddings.Metadata{"k": int64(1)}, Vector: []float32{1, -0.5}}
	if err != nil || !reflect.DeepEqual(record, want) {
		t.Errorf("%+v, error %v", record, err)
	}
	for json, want := range map[string]string{
		`[]`:                                   "an array; expected an object",
		`{}`:                                   "source_type is missing",
		`{` + needed + `,"dimensions":3}`:      "dimensions is 3, but the vector has 2 components",
		`{` + needed + `,"chunk":1.5}`:         "chunk is 1.5; expected an integer of 0 or more",
		`{` + needed + `,"chunk":"1"}`:         "chunk is a string; expected a number",
		`{` + needed + `,"id":7}`:              "id is a number; expected a string",
		`{` + needed + `,"id":"1","id":"2"}`:   `"id" comes twice`,
		`{` + needed + `,"colour":"red"}`:      `unknown field "colour"; expected "chunk"`,
		`{` + needed + `,"metadata":{"k":[]}}`: `metadata "k": it is an object or array`,
		strings.Replace(`{`+needed+`}`, `"text":" "`, `"text":""`, 1):                                     "text is missing",
		strings.Replace(`{`+needed+`}`, `[1,-0.5]`, `[]`, 1):                                              "vector is empty; expected 1 to 8192",
		strings.Replace(`{`+needed+`}`, `[1,-0.5]`, `null`, 1):                                            "vector is null; expected an array",
		strings.Replace(`{`+needed+`}`, `[1,-0.5]`, `[1,1e39]`, 1):                                        "vector[1] is 1e39, which is out of range",
		strings.Replace(`{`+needed+`}`, `,"vector":[1,-0.5]`, ``, 1):                                      "vector is missing",
		strings.Replace(`{`+needed+`}`, `[1,-0.5]`, `[`+strings.Repeat("1,", 8192)+`1]`, 1):               "more than 8192 entries",
		strings.Replace(`{`+needed+`}`, `"source_id":"b"`, `"source_id":"\ud800"`, 1):                     "surrogate",
		strings.Replace(`{`+needed+`}`, `"vector":[1,-0.5]`, `"vector":[1],"created_at":[],"model":1`, 1): "model is a number; expected a string",
	} {
		if record, err := Record([]byte(json)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s: %+v, error %v; expected %q", json, record, err, want)
		}
	}
}

func TestASearchIsReadFromParameters(t *testing.T) {
	read := func(query string, parameters ...string) (Search, error) {
		reader := NewSearchReader(func(parameter string) string { return "--" + parameter }, MaxLimit)
		for i := 0; i < len(parameters); i += 2 {
			at := slices.IndexFunc(SearchParameters, func(p SearchParameter) bool { return p.Name == parameters[i] })
			if err := reader.Read(&SearchParameters[at], parameters[i+1]); err != nil {
				return Search{}, err
			}
		}
		return reader.Finish(query, Missing("the query"))
	}
	search, err := read("q")
	want := Search{Query: "q", Mode: ModeVector, Options: embeddings.SearchOptions{Limit: 10, Threshold: 0.3, WithoutVectors: true}}
	if err != nil || !reflect.DeepEqual(search, want) {
		t.Errorf("%+v, error %v", search, err)
	}
	search, err = read("q", "mode", "hybrid", "words_weight", "0", "depth", "7", "filter", `["exists","id"]`, "group", "true", "limit", "1000",
		"threshold", "-1", "details", "true", "explain", "true", "rank_constant", "1.5")
	want = Search{Query: "q", Mode: ModeHybrid, Details: true, Explain: true, Options: embeddings.SearchOptions{
		Limit: 1000, Threshold: -1, WithoutVectors: true, GroupBySource: true, Filter: embeddings.Exists(embeddings.FieldID),
		Fusion: &embeddings.Fusion{VectorWeight: 1, RankConstant: 1.5, Depth: 7},
	}}
	if err != nil || !reflect.DeepEqual(search, want) {
		t.Errorf("%+v, error %v", search, err)
	}
	search, err = read("", "like", "a", "diversity", "0.5", "candidates", "10000")
	if err != nil || search.Options.Like != "a" || search.Options.Diversity != 0.5 || search.Options.Candidates != 10_000 {
		t.Errorf("%+v, error %v", search, err)
	}
	if search, err = read("q", "after", "0.5,a"); err != nil || *search.Options.After != (embeddings.Cursor{Distance: 0.5, ID: "a"}) {
		t.Errorf("%+v, error %v", search, err)
	}
	if _, err := read(""); err == nil || err.Error() != "the query is missing" {
		t.Error(err)
	}
	for _, parameter := range SearchParameters {
		if parameter.Switch() != slices.Contains([]string{"group", "details", "explain"}, parameter.Name) || parameter.Help == "" {
			t.Errorf("%s: switch %v, help %q", parameter.Name, parameter.Switch(), parameter.Help)
		}
		if _, err := read("q", parameter.Name, "nonsense"); parameter.Name != "like" && (err == nil || !strings.Contains(err.Error(), "--"+parameter.Name)) {
			t.Errorf("%s=nonsense: %v", parameter.Name, err)
		}
	}
}
