package embedtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// listed gives the ids of what a selection has.
func listed(t *testing.T, store embeddings.Store, selection embeddings.Selection) []string {
	t.Helper()
	var ids []string
	for row, err := range store.List(t.Context(), embeddings.ListOptions{Selection: selection, WithoutVectors: true}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	return ids
}

func testLists(t *testing.T, open func(t *testing.T) embeddings.Store) {
	fill := func(t *testing.T, rows int) embeddings.Store {
		store := open(t)
		var records []embeddings.Record
		for i := range rows {
			r := record(fmt.Sprint(i), "x", 3, 4)
			r.ID = fmt.Sprintf("id %05d", rows-i)
			r.Metadata = embeddings.Metadata{"n": i}
			records = append(records, r)
		}
		put(t, store, records...)
		return store
	}
	collect := func(t *testing.T, store embeddings.Store, options embeddings.ListOptions) (rows []*embeddings.Embedding) {
		t.Helper()
		for row, err := range store.List(t.Context(), options) {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
		return rows
	}

	t.Run("each row once, in the order of ids, however many", func(t *testing.T) {
		for _, n := range []int{0, 1, 255, 256, 257, 600} {
			rows := collect(t, fill(t, n), embeddings.ListOptions{})
			if len(rows) != n {
				t.Fatalf("%d rows; expected %d", len(rows), n)
			}
			for i, row := range rows {
				if row.ID != fmt.Sprintf("id %05d", i+1) || row.Metadata["n"] != int64(n-i-1) || !slices.Equal(row.Vector, []float32{3, 4}) {
					t.Fatalf("row %d of %d is %+v", i, n, row)
				}
			}
		}
	})

	t.Run("after an id, up to a limit, of what passes", func(t *testing.T) {
		store := fill(t, 600)
		many := embeddings.Selection{Filter: embeddings.Ge(embeddings.Meta("n"), 300)}
		for _, test := range []struct {
			options     embeddings.ListOptions
			rows        int
			first, last string
		}{
			{embeddings.ListOptions{Limit: 1}, 1, "id 00001", "id 00001"},
			{embeddings.ListOptions{Limit: 256}, 256, "id 00001", "id 00256"},
			{embeddings.ListOptions{Limit: 300}, 300, "id 00001", "id 00300"},
			{embeddings.ListOptions{Limit: 601}, 600, "id 00001", "id 00600"},
			{embeddings.ListOptions{After: "id 00500"}, 100, "id 00501", "id 00600"},
			{embeddings.ListOptions{After: "id 005", Limit: 2}, 2, "id 00500", "id 00501"},
			{embeddings.ListOptions{Selection: many}, 300, "id 00001", "id 00300"},
			{embeddings.ListOptions{Selection: many, After: "id 00290", Limit: 100}, 10, "id 00291", "id 00300"},
			{embeddings.ListOptions{Selection: embeddings.Selection{Fingerprint: "f"}, Limit: 7}, 7, "id 00001", "id 00007"},
		} {
			rows := collect(t, store, test.options)
			if len(rows) != test.rows || rows[0].ID != test.first || rows[len(rows)-1].ID != test.last {
				t.Errorf("%+v: %d rows", test.options, len(rows))
			}
		}
		for _, none := range []embeddings.ListOptions{{After: "id 00600"}, {Selection: embeddings.Selection{Fingerprint: "g"}}} {
			if rows := collect(t, store, none); len(rows) != 0 {
				t.Errorf("%+v: %d rows", none, len(rows))
			}
		}
		if rows := collect(t, store, embeddings.ListOptions{WithoutVectors: true, Limit: 1}); rows[0].Vector != nil || rows[0].Dimensions != 2 {
			t.Errorf("%+v", rows[0])
		}
		for _, err := range store.List(t.Context(), embeddings.ListOptions{Limit: -1}) {
			if !errors.Is(err, embeddings.ErrInvalidArgument) {
				t.Errorf("a limit of -1: %v", err)
			}
		}
	})

	t.Run("a loop that is left ends it, and one may write", func(t *testing.T) {
		store := fill(t, 600)
		given := 0
		for row, err := range store.List(t.Context(), embeddings.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if given++; given == 300 {
				break
			}
			if n, err := store.Delete(t.Context(), row.ID); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		count(t, store, 301)
	})

	t.Run("counts are of what is selected", func(t *testing.T) {
		store := fill(t, 10)
		other := record("a", "x", 1)
		other.Fingerprint = "g"
		put(t, store, other)
		for want, selection := range map[int]embeddings.Selection{
			11: {},
			10: {Fingerprint: "f"},
			1:  {Fingerprint: "g"},
			0:  {Fingerprint: "h"},
			4:  {Filter: embeddings.Lt(embeddings.Meta("n"), 4)},
			3:  {Fingerprint: "f", Filter: embeddings.Gt(embeddings.Meta("n"), 6)},
		} {
			if n, err := store.Count(t.Context(), selection); n != want || err != nil {
				t.Errorf("%+v: %d rows, error %v; expected %d", selection, n, err, want)
			}
		}
	})
}

func testFilters(t *testing.T, open func(t *testing.T) embeddings.Store) {
	t.Run("the table of docs/search.md", func(t *testing.T) {
		store := open(t)
		for id, metadata := range map[string]embeddings.Metadata{
			"no key": nil, "null": {"k": nil}, "1": {"k": 1}, "1.0": {"k": 1.0}, "text": {"k": "1"},
		} {
			r := record(id, "x", 1, 0)
			r.ID, r.Metadata = id, metadata
			put(t, store, r)
		}
		k := embeddings.Meta("k")
		for _, test := range []struct {
			filter embeddings.Filter
			want   []string
		}{
			{embeddings.Eq(k, 1), []string{"1", "1.0"}},
			{embeddings.Ne(k, 1), []string{"no key", "null", "text"}},
			{embeddings.Gt(k, 0), []string{"1", "1.0"}},
			{embeddings.Eq(k, nil), []string{"null"}},
			{embeddings.Exists(k), []string{"1", "1.0", "null", "text"}},
			{embeddings.Eq(k, "1"), []string{"text"}},
			{embeddings.In(k, any(nil), any("1"), any(1)), []string{"1", "1.0", "null", "text"}},
			{embeddings.In(k, 0, 1, 2), []string{"1", "1.0"}},
			{embeddings.In[int](k), nil},
			{embeddings.And(), []string{"1", "1.0", "no key", "null", "text"}},
			{embeddings.Or(), nil},
			{embeddings.Filter{}, []string{"1", "1.0", "no key", "null", "text"}},
			{embeddings.Not(embeddings.Filter{}), nil},
		} {
			if got := listed(t, store, embeddings.Selection{Filter: test.filter}); !slices.Equal(got, test.want) {
				t.Errorf("%+v lists %q; expected %q", test.filter, got, test.want)
			}
		}
	})

	t.Run("times are compared to the millisecond", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "x", 1, 0))
		created := get(t, store, "a").CreatedAt
		for want, filters := range map[int][]embeddings.Filter{
			1: {
				embeddings.Eq(embeddings.FieldCreatedAt, created),
				embeddings.Eq(embeddings.FieldUpdatedAt, created.In(time.FixedZone("elsewhere", 3600))),
				embeddings.Le(embeddings.FieldCreatedAt, created),
				embeddings.Gt(embeddings.FieldCreatedAt, created.Add(-time.Millisecond)),
				embeddings.Lt(embeddings.FieldCreatedAt, "9999-12-31T23:59:59Z"),
			},
			0: {
				embeddings.Lt(embeddings.FieldCreatedAt, created),
				embeddings.Gt(embeddings.FieldUpdatedAt, created),
				embeddings.Eq(embeddings.FieldCreatedAt, created.Add(time.Millisecond)),
			},
		} {
			for _, filter := range filters {
				if n, err := store.Count(t.Context(), embeddings.Selection{Filter: filter}); n != want || err != nil {
					t.Errorf("%+v: %d rows, error %v; expected %d", filter, n, err, want)
				}
			}
		}
	})

	t.Run("what is deleted passed the filter, and nothing else did", func(t *testing.T) {
		store := open(t)
		for i := range 10 {
			r := record(fmt.Sprint(i), "x", 1, 0)
			r.Metadata = embeddings.Metadata{"n": i}
			put(t, store, r)
		}
		if n, err := store.DeleteWhere(t.Context(), embeddings.Lt(embeddings.Meta("n"), 4)); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := store.DeleteWhere(t.Context(), embeddings.Lt(embeddings.Meta("n"), 4)); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := store.DeleteWhere(t.Context(), embeddings.Filter{}); !errors.Is(err, embeddings.ErrInvalidArgument) {
			t.Errorf("the zero filter: %v", err)
		}
		count(t, store, 6)
		if n, err := store.DeleteWhere(t.Context(), embeddings.And()); n != 6 || err != nil {
			t.Fatal(n, err)
		}
	})

	t.Run("a filter that is none is refused", func(t *testing.T) {
		store := open(t)
		put(t, store, record("a", "x", 1, 0))
		deep := embeddings.Exists(embeddings.Meta("k"))
		for range 20 {
			deep = embeddings.Not(deep)
		}
		for name, filter := range map[string]embeddings.Filter{
			"no such field":      embeddings.Eq("colour", "red"),
			"no field":           embeddings.Exists(""),
			"metadata as such":   embeddings.Exists(embeddings.Meta("")),
			"number for a text":  embeddings.Eq(embeddings.FieldSourceType, 1),
			"text for a number":  embeddings.Eq(embeddings.FieldChunk, "1"),
			"no time":            embeddings.Lt(embeddings.FieldCreatedAt, "yesterday"),
			"a list":             embeddings.Eq(embeddings.Meta("k"), []string{"a"}),
			"NaN":                embeddings.Eq(embeddings.Meta("k"), math.NaN()),
			"null has no order":  embeddings.Lt(embeddings.Meta("k"), nil),
			"a bool has neither": embeddings.Ge(embeddings.Meta("k"), true),
			"no operator":        {Op: "like", Field: embeddings.FieldSourceID, Values: []any{"a%"}},
			"two values":         {Op: embeddings.OpEq, Field: embeddings.FieldSourceID, Values: []any{"a", "b"}},
			"no value":           {Op: embeddings.OpEq, Field: embeddings.FieldSourceID},
			"too deep":           deep,
		} {
			_, counted := store.Count(t.Context(), embeddings.Selection{Filter: filter})
			_, deleted := store.DeleteWhere(t.Context(), filter)
			_, searched := store.Search(t.Context(), []float32{1, 0}, embeddings.SearchOptions{Fingerprint: "f", Filter: filter})
			var list error
			for _, err := range store.List(t.Context(), embeddings.ListOptions{Selection: embeddings.Selection{Filter: filter}}) {
				list = err
			}
			for i, err := range []error{counted, deleted, searched, list} {
				if !errors.Is(err, embeddings.ErrInvalidArgument) {
					t.Errorf("%s, call %d: %v", name, i, err)
				}
			}
		}
		count(t, store, 1)
	})

	t.Run("any filter selects the rows that an oracle selects", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		store, oracle := open(t), new(Store)
		values := []any{nil, true, false, "", "a", "b", "B", "ü", "1", 0, 1, -1, 1.5, 1.0, int64(1) << 53, int64(1)<<53 + 1,
			float64(1 << 53), math.Copysign(0, -1), int64(math.MaxInt64), float64(math.MaxInt64), 1e19}
		pick := func() any { return values[random.IntN(len(values))] }
		var records []embeddings.Record
		for i := range 200 {
			r := record(fmt.Sprint("s", i%7), "x", 1, 0)
			r.SourceType, r.Chunk, r.ID, r.Model = string("xyz"[i%3]), i, fmt.Sprintf("id %03d", i), fmt.Sprint("m", i%2)
			r.Metadata = embeddings.Metadata{}
			for _, key := range []string{"a", "b", "a.b"} {
				if random.IntN(4) > 0 {
					r.Metadata[key] = pick()
				}
			}
			records = append(records, r)
		}
		put(t, store, records...)
		put(t, oracle, records...)
		for range 500 {
			filter := randomFilter(random, pick, 4)
			written, err := json.Marshal(filter)
			if err != nil {
				t.Fatal(err)
			}
			if filter, err = embeddings.ParseFilter(string(written)); err != nil {
				t.Fatalf("%s: %v", written, err)
			}
			selection := embeddings.Selection{Filter: filter}
			want := listed(t, oracle, selection)
			if got := listed(t, store, selection); !slices.Equal(got, want) {
				t.Fatalf("%s lists %q; expected %q", written, got, want)
			}
			if n, err := store.Count(t.Context(), selection); n != len(want) || err != nil {
				t.Fatalf("%s counts %d, error %v; expected %d", written, n, err, len(want))
			}
		}
	})
}

// randomFilter makes one that is valid.
func randomFilter(random *rand.Rand, pick func() any, depth int) embeddings.Filter {
	if depth > 0 && random.IntN(2) == 0 {
		var parts []embeddings.Filter
		for range random.IntN(4) {
			parts = append(parts, randomFilter(random, pick, depth-1))
		}
		switch random.IntN(3) {
		case 0:
			return embeddings.And(parts...)
		case 1:
			return embeddings.Or(parts...)
		}
		return embeddings.Not(randomFilter(random, pick, depth-1))
	}
	field := []embeddings.Field{embeddings.Meta("a"), embeddings.Meta("b"), embeddings.Meta("a.b"), embeddings.FieldChunk,
		embeddings.FieldSourceType, embeddings.FieldSourceID, embeddings.FieldModel, embeddings.FieldID}[random.IntN(8)]
	value := func() any {
		switch _, isMeta := field.Meta(); {
		case isMeta:
			return pick()
		case field == embeddings.FieldChunk:
			return random.IntN(220) - 10
		}
		return []any{"x", "y", "s3", "m1", "id 100", ""}[random.IntN(6)]
	}
	operators := []func(embeddings.Field, any) embeddings.Filter{embeddings.Lt, embeddings.Le, embeddings.Gt, embeddings.Ge}
	switch n := random.IntN(8); n {
	case 0:
		return embeddings.Exists(field)
	case 1, 2:
		return embeddings.In(field, value(), value(), value())
	case 3:
		return embeddings.Ne(field, value())
	case 4:
		return embeddings.Eq(field, value())
	default:
		compared := value()
		switch compared.(type) {
		case nil, bool:
			compared = 1 // null and booleans have no order
		}
		return operators[random.IntN(4)](field, compared)
	}
}
