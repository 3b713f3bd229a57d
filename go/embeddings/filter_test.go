package embeddings_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestFiltersHaveTheJSONFormOfTheLibrary(t *testing.T) {
	year := embeddings.Meta("year")
	moment := time.Date(2026, 1, 31, 1, 0, 0, 5_999_999, time.FixedZone("", 3600))
	for _, test := range []struct {
		filter embeddings.Filter
		json   string
	}{
		{embeddings.Filter{}, `["and"]`},
		{embeddings.And(), `["and"]`},
		{embeddings.Or(), `["or"]`},
		{embeddings.Not(embeddings.Filter{}), `["not",["and"]]`},
		{embeddings.And(embeddings.Eq("source_type", "manual"), embeddings.Or(embeddings.Ge(year, 2020), embeddings.Not(embeddings.Exists(year)))),
			`["and",["=","source_type","manual"],["or",[">=","metadata.year",2020],["not",["exists","metadata.year"]]]]`},
		{embeddings.In(embeddings.FieldSourceID, "a", "b"), `["in","source_id",["a","b"]]`},
		{embeddings.In[string](embeddings.FieldID), `["in","id",[]]`},
		{embeddings.Ne(embeddings.FieldChunk, uint16(3)), `["!=","chunk",3]`},
		{embeddings.Lt(embeddings.FieldCreatedAt, moment), `["<","created_at","2026-01-31T00:00:00.005Z"]`},
		{embeddings.Le(embeddings.Meta("a.b"), 1.0), `["<=","metadata.a.b",1.0]`},
		{embeddings.Gt(embeddings.Meta("x"), 1e300), `[">","metadata.x",1e+300]`},
		{embeddings.Eq(embeddings.Meta("x"), nil), `["=","metadata.x",null]`},
		{embeddings.Eq(embeddings.Meta("x"), true), `["=","metadata.x",true]`},
		{embeddings.Eq(embeddings.Meta("x"), "<&> \x00 ü"), `["=","metadata.x","<&> \u0000 ü"]`},
		{embeddings.Eq(embeddings.Meta("x"), json.Number("1e2")), `["=","metadata.x",100.0]`},
		{embeddings.Eq(embeddings.Meta("x"), int64(math.MaxInt64)), `["=","metadata.x",9223372036854775807]`},
	} {
		data, err := test.filter.MarshalJSON()
		if err != nil || string(data) != test.json {
			t.Errorf("%s, error %v; expected %s", data, err, test.json)
		}
		read, err := embeddings.ParseFilter(" " + test.json + "\n")
		if err != nil {
			t.Errorf("%s: %v", test.json, err)
			continue
		}
		if again, err := read.MarshalJSON(); err != nil || string(again) != test.json {
			t.Errorf("%s, read and written again: %s, error %v", test.json, again, err)
		}
	}
	var field struct{ Filter embeddings.Filter }
	if err := json.Unmarshal([]byte(`{"Filter": ["exists", "metadata.k"]}`), &field); err != nil || field.Filter.Op != embeddings.OpExists {
		t.Errorf("%+v, error %v", field, err)
	}
	if key, ok := field.Filter.Field.Meta(); key != "k" || !ok {
		t.Error(key, ok)
	}
	if _, ok := embeddings.FieldModel.Meta(); ok {
		t.Error("the model is no metadata")
	}
	if !(embeddings.Filter{}).IsZero() || embeddings.And().IsZero() || embeddings.Eq("", math.NaN()).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestAValueThatAFilterCannotHaveIsNamed(t *testing.T) {
	for want, filter := range map[string]embeddings.Filter{
		`the filter "=" on "metadata.k": the number is NaN`:           embeddings.Eq(embeddings.Meta("k"), math.NaN()),
		`the filter "<" on "metadata.k": it is a []int; expected`:     embeddings.And(embeddings.Lt(embeddings.Meta("k"), []int{1})),
		`the filter "in" on "id": the text "\xff" is not valid UTF-8`: embeddings.Not(embeddings.In(embeddings.FieldID, "a", "\xff")),
		`the field "\xfe" is not valid UTF-8`:                         embeddings.Exists("\xfe"),
		`it is a map[string]int`:                                      {Op: embeddings.OpEq, Field: "id", Values: []any{map[string]int{}}},
	} {
		_, err := filter.MarshalJSON()
		if err == nil || !strings.Contains(err.Error(), want) ||
			!errors.Is(err, embeddings.ErrInvalidArgument) && !errors.Is(err, embeddings.ErrInvalidUTF8) {
			t.Errorf("%v; expected %s", err, want)
		}
	}
}

func TestMetadataIsReadStrictly(t *testing.T) {
	metadata, err := embeddings.ParseMetadata([]byte(` {"a": 1, "b": 1.0, "c": "x", "d": null, "e": true, "f": -9223372036854775808} `))
	want := embeddings.Metadata{"a": int64(1), "b": 1.0, "c": "x", "d": nil, "e": true, "f": int64(math.MinInt64)}
	if err != nil || !maps.Equal(metadata, want) {
		t.Errorf("%#v, error %v", metadata, err)
	}
	for _, none := range []string{"", " ", "{}", " { } "} {
		if metadata, err := embeddings.ParseMetadata([]byte(none)); metadata != nil || err != nil {
			t.Errorf("%q: %v, error %v", none, metadata, err)
		}
	}
	for text, want := range map[string]string{
		`[]`:                        "no object",
		`"a"`:                       "no object",
		`null`:                      "no object",
		`{`:                         "no JSON",
		`{"a"`:                      "no JSON",
		`{"a":1`:                    "no JSON",
		`{"a":1,}`:                  "no JSON",
		`{"a":1} {}`:                "more after",
		`{"a":1}]`:                  "no JSON",
		`{"a":[1]}`:                 `metadata "a": it is an object or array`,
		`{"a":{}}`:                  `metadata "a": it is an object or array`,
		`{"a":1,"a":2}`:             `metadata "a" comes twice`,
		`{"a":9223372036854775808}`: "64 bits",
		`{"a":1e400}`:               "out of range",
		`{"a":"\ud800"}`:            "surrogate",
		`{"\udc00":1}`:              "surrogate",
	} {
		if metadata, err := embeddings.ParseMetadata([]byte(text)); !errors.Is(err, embeddings.ErrInvalidArgument) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, error %v; expected %q", text, metadata, err, want)
		}
	}
	var field struct{ Metadata embeddings.Metadata }
	if err := json.Unmarshal([]byte(`{"Metadata": {"a": 1}}`), &field); err != nil || field.Metadata["a"] != int64(1) {
		t.Errorf("%+v, error %v", field, err)
	}
	if data, err := json.Marshal(field); err != nil || string(data) != `{"Metadata":{"a":1}}` {
		t.Errorf("%s, error %v", data, err)
	}
}

func TestTextThatIsNoneIsRefused(t *testing.T) {
	_, metadata := embeddings.ParseMetadata([]byte("{\"a\":\"\xff\"}"))
	_, filter := embeddings.ParseFilter("[\"exists\",\"metadata.\xff\"]")
	for _, err := range []error{metadata, filter} {
		if !errors.Is(err, embeddings.ErrInvalidUTF8) {
			t.Error(err)
		}
	}
	if _, err := embeddings.ParseFilter(`["exists","metadata.\ud800"]`); !errors.Is(err, embeddings.ErrInvalidArgument) || !strings.Contains(err.Error(), "surrogate") {
		t.Error(err)
	}
	filter2, err := embeddings.ParseFilter(`["exists","metadata.\ud83d\ude00 \\ud800 \ufffd"]`)
	if err != nil || filter2.Field != embeddings.Meta("😀 \\ud800 \ufffd") {
		t.Errorf("%+v, error %v", filter2, err)
	}
}

func TestACursorLosesNothingAsText(t *testing.T) {
	for _, cursor := range []embeddings.Cursor{{Distance: 0, ID: "a"}, {Distance: 0.84241325, ID: "a,b \x00"},
		{Distance: math.Nextafter32(2, 0), ID: ","}, {Distance: math.SmallestNonzeroFloat32, ID: "x"}} {
		if read, err := embeddings.ParseCursor(cursor.String()); err != nil || *read != cursor {
			t.Errorf("%+v, error %v; written %q of %+v", read, err, cursor.String(), cursor)
		}
	}
	for _, text := range []string{"", "a", ",", "1", "1,", ",a", "NaN,a", "-1,a", "3,a", "x,a", "1e400,a"} {
		if cursor, err := embeddings.ParseCursor(text); !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("%q: %+v, error %v", text, cursor, err)
		}
	}
}

// A filter is a value: made once, used anywhere, printed as JSON.
func ExampleFilter() {
	filter := embeddings.And(
		embeddings.Eq(embeddings.FieldSourceType, "manual"),
		embeddings.In(embeddings.Meta("lang"), "en", "de"),
		embeddings.Not(embeddings.Exists(embeddings.Meta("draft"))))
	text, err := filter.MarshalJSON()
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(text))
	// Output: ["and",["=","source_type","manual"],["in","metadata.lang",["en","de"]],["not",["exists","metadata.draft"]]]
}
