//go:build rustembeddings && cgo

package capi_test

import (
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Two parsers read filters; where Go's is the stricter one, a filter that is good could not be used from Go, and where it
// is not, it costs an inference to hear of a mistake. (They differ on integers of more than 64 bits without a sign, which the
// library takes for floats, and Go refuses rather than lose digits.)
func TestGoAndTheLibraryReadTheSameFilters(t *testing.T) {
	store, err := capi.OpenStore(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	nested := func(depth int) string {
		return strings.Repeat(`["not",`, depth) + `["and"]` + strings.Repeat(`]`, depth)
	}
	for text, good := range map[string]bool{
		`["and"]`: true, `["or"]`: true, " [ \"and\" ]\n": true, `["\u0061nd"]`: true, `["not",["or"]]`: true,
		`["in","id",[]]`: true, `["in","metadata.k",[1,"1",null,true,1.5]]`: true, `["exists","metadata.a.b"]`: true,
		`["=","metadata.k",9223372036854775807]`: true, `["=","metadata.k",-9223372036854775808]`: true,
		`["=","metadata.k",9223372036854775808]`: false, `["=","metadata.k",18446744073709551615]`: false,
		`["=","metadata.k",1E5]`: true, `["=","metadata.k",-0]`: true,
		`["=","metadata.k",-0.0]`: true, `["=","metadata.k",1e-999]`: true, `["=","metadata.k",1e999]`: false, `["=","metadata.k",01]`: false,
		`["=","metadata.k",0x1]`: false, `["=","metadata.k",NaN]`: false, `["=","metadata.k",+1]`: false, `["=","metadata.k",.5]`: false,
		`["=","metadata.k",{}]`: false, `["=","metadata.k",[]]`: false, `["=","metadata.k"]`: false, `["=","metadata.k",1,2]`: false,
		`["in","metadata.k",1]`: false, `["in","metadata.k",[[]]]`: false, `["exists"]`: false, `["exists","id","id"]`: false,
		`["not"]`: false, `["not",["and"],["and"]]`: false, `["and",1]`: false, `["AND"]`: false, `[]`: false, `{}`: false, `null`: false,
		`"and"`: false, `[["and"]]`: false, `[1]`: false, `["=",1,1]`: false, `["=",null,1]`: false, `[`: false, ` `: false,
		`["and"] x`: false, `["and"],`: false, `["and",]`: false, "\ufeff[\"and\"]": false, "[\"and\"]\x00": false, `['and']`: false,
		`["=","id","\ud800"]`: false, `["=","id","\ud83d\ude00"]`: true, "[\"=\",\"id\",\"\x01\"]": false, "[\"=\",\"id\",\"\xff\"]": false,
		nested(15): true, nested(16): false, nested(5000): false,
	} {
		_, native := store.Count("", text)
		_, parsed := embeddings.ParseFilter(text)
		if (native == nil) != good || (parsed == nil) != good {
			t.Errorf("%.80q is good: %v; the library says %v, Go %v", text, good, native, parsed)
		}
	}
}
