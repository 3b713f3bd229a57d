package embeddings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Filter says which rows are meant. [And], [Or], [Not], [Eq] and their like make one, [ParseFilter] reads one from JSON; the
// zero Filter is all rows.
//
//	embeddings.And(
//		embeddings.Eq(embeddings.FieldSourceType, "manual"),
//		embeddings.Or(embeddings.Ge(embeddings.Meta("year"), 2020), embeddings.Not(embeddings.Exists(embeddings.Meta("year")))),
//		embeddings.Lt(embeddings.FieldCreatedAt, time.Now().AddDate(0, -1, 0)))
//
// A condition is true or false, there is no third value. A comparison is true only where the row has the field and both
// sides are of one type: text, number, bool or nil. Numbers compare by value (1 is 1.0), exactly; texts by their bytes. Ne is
// Not(Eq), so it is true where the key is missing. A key whose value is nil exists. docs/search.md has a table.
//
// Values are as [Metadata] takes them, and time.Time for the two times, of which what is below the millisecond is cut off.
// What is wrong with a filter is said by the call that gets it.
//
// The fields are for those who implement a [Store]; ParseFilter and the functions above leave values only of string, bool,
// int64, float64 and nil in a filter.
type Filter struct {
	// Op is what the filter does; empty in the zero Filter.
	Op Operator
	// Filters are what OpAnd and OpOr have any number of (none: true for OpAnd, false for OpOr), and OpNot one.
	Filters []Filter
	// Field is what the other operators look at.
	Field Field
	// Values are any number for OpIn, none for OpExists, one for the comparisons.
	Values []any

	err error // what is wrong with a value; the call that gets the filter says it
}

// Operator is a filter's first element in JSON.
type Operator string

// The operators that there are.
const (
	OpAnd    Operator = "and"
	OpOr     Operator = "or"
	OpNot    Operator = "not"
	OpEq     Operator = "="
	OpNe     Operator = "!="
	OpLt     Operator = "<"
	OpLe     Operator = "<="
	OpGt     Operator = ">"
	OpGe     Operator = ">="
	OpIn     Operator = "in"
	OpExists Operator = "exists"
)

// Field is what a filter looks at: one of those below, or a key of the metadata, see [Meta].
type Field string

// The fields that every row has. The times are in UTC.
const (
	FieldID         Field = "id"
	FieldSourceType Field = "source_type"
	FieldSourceID   Field = "source_id"
	FieldModel      Field = "model"
	FieldChunk      Field = "chunk"
	FieldCreatedAt  Field = "created_at"
	FieldUpdatedAt  Field = "updated_at"
)

const metaPrefix = "metadata."

// Meta is a key of the metadata.
func Meta(key string) Field { return Field(metaPrefix + key) }

// Meta gives the key of a field of the metadata.
func (f Field) Meta() (key string, ok bool) { return strings.CutPrefix(string(f), metaPrefix) }

// And passes what all filters pass; without any, all rows.
func And(filters ...Filter) Filter { return Filter{Op: OpAnd, Filters: filters} }

// Or passes what one of the filters passes; without any, no row.
func Or(filters ...Filter) Filter { return Filter{Op: OpOr, Filters: filters} }

// Not passes what the filter does not pass.
func Not(filter Filter) Filter { return Filter{Op: OpNot, Filters: []Filter{filter}} }

// Eq passes rows whose field is the value.
func Eq(field Field, value any) Filter { return compare(OpEq, field, value) }

// Ne passes rows whose field is not the value, or is not there.
func Ne(field Field, value any) Filter { return compare(OpNe, field, value) }

// Lt passes rows whose field is less than the value: a number, a text or a time, as for Le, Gt and Ge.
func Lt(field Field, value any) Filter { return compare(OpLt, field, value) }

// Le passes rows whose field is the value or less.
func Le(field Field, value any) Filter { return compare(OpLe, field, value) }

// Gt passes rows whose field is greater than the value.
func Gt(field Field, value any) Filter { return compare(OpGt, field, value) }

// Ge passes rows whose field is the value or greater.
func Ge(field Field, value any) Filter { return compare(OpGe, field, value) }

// In passes rows whose field is one of the values; without any, no row.
func In[Value any](field Field, values ...Value) Filter {
	list := make([]any, len(values))
	for i, value := range values {
		list[i] = value
	}
	return compare(OpIn, field, list...)
}

// Exists passes rows that have the field: those whose metadata has the key, be its value nil.
func Exists(field Field) Filter { return Filter{Op: OpExists, Field: field} }

func compare(op Operator, field Field, values ...any) Filter {
	filter := Filter{Op: op, Field: field, Values: make([]any, len(values))}
	for i, value := range values {
		if moment, ok := value.(time.Time); ok {
			value = moment.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		var err error
		if filter.Values[i], err = scalar(value); err != nil && filter.err == nil {
			filter.err = at(fmt.Sprintf("the filter %q on %q", op, field), err)
		}
	}
	return filter
}

// IsZero says that it is the zero Filter.
func (f Filter) IsZero() bool {
	return f.Op == "" && len(f.Filters) == 0 && f.Field == "" && len(f.Values) == 0 && f.err == nil
}

// MarshalJSON is the filter in the form of docs/search.md, such as ["=", "source_type", "manual"].
func (f Filter) MarshalJSON() ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.IsZero() {
		return []byte(`["and"]`), nil
	}
	if !utf8.ValidString(string(f.Field)) {
		return nil, &Error{Code(capi.InvalidUTF8), fmt.Sprintf("the filter %q: the field %q is not valid UTF-8", f.Op, f.Field)}
	}
	list := []any{f.Op}
	switch f.Op {
	case OpAnd, OpOr, OpNot:
		for _, filter := range f.Filters {
			data, err := filter.MarshalJSON()
			if err != nil {
				return nil, err
			}
			list = append(list, json.RawMessage(data))
		}
		return plainJSON(list)
	}
	values := make([]json.RawMessage, len(f.Values))
	for i, value := range f.Values {
		text, err := literal(value)
		if err != nil {
			return nil, at(fmt.Sprintf("the filter %q on %q", f.Op, f.Field), err)
		}
		values[i] = json.RawMessage(text)
	}
	list = append(list, f.Field)
	if f.Op == OpIn {
		return plainJSON(append(list, values))
	}
	for _, value := range values {
		list = append(list, value)
	}
	return plainJSON(list)
}

// native is the filter as the library takes it: empty for all rows.
func (f Filter) native() (string, error) {
	if f.IsZero() {
		return "", nil
	}
	data, err := f.MarshalJSON()
	return string(data), err
}

// ParseFilter reads a filter in the form of docs/search.md. What is not one is an ErrInvalidArgument that names the place:
// filter[2][1] is the second element of the third one of the whole. Which fields there are, is for the store to say.
func ParseFilter(text string) (Filter, error) {
	if err := isText("the filter", []byte(text)); err != nil {
		return Filter{}, err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil && len(bytes.TrimSpace([]byte(text[decoder.InputOffset():]))) > 0 {
		err = fmt.Errorf("there is more after its end, at byte %d", decoder.InputOffset())
	}
	if err != nil {
		return Filter{}, invalid("the filter is not JSON: %v", err)
	}
	return parse("filter", value, 0)
}

// UnmarshalJSON is [ParseFilter]; null changes nothing.
func (f *Filter) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	filter, err := ParseFilter(string(data))
	if err == nil {
		*f = filter
	}
	return err
}

// maxDepth is the library's; it bounds the recursion here.
const maxDepth = 16

func parse(place string, value any, depth int) (Filter, error) {
	list, _ := value.([]any)
	if len(list) == 0 {
		return Filter{}, invalid(`%s is %s; expected a condition such as ["=", "source_type", "manual"]`, place, shown(value))
	}
	if depth == maxDepth {
		return Filter{}, invalid("%s: the filter is more than %d levels deep", place, maxDepth)
	}
	name, _ := list[0].(string)
	filter, rest := Filter{Op: Operator(name)}, list[1:]
	switch filter.Op {
	case OpAnd, OpOr, OpNot:
		if filter.Op == OpNot && len(rest) != 1 {
			return Filter{}, invalid("%s: %q takes 1 filter, here are %d", place, filter.Op, len(rest))
		}
		for i, value := range rest {
			part, err := parse(fmt.Sprintf("%s[%d]", place, i+1), value, depth+1)
			if err != nil {
				return Filter{}, err
			}
			filter.Filters = append(filter.Filters, part)
		}
		return filter, nil
	case OpExists:
		if len(rest) != 1 {
			return Filter{}, invalid("%s: %q takes a field, here are %d elements", place, filter.Op, len(rest))
		}
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe, OpIn:
		if len(rest) != 2 {
			return Filter{}, invalid("%s: %q takes a field and a value, here are %d elements", place, filter.Op, len(rest))
		}
	default:
		return Filter{}, invalid("%s[0] is %s; expected and, or, not, =, !=, <, <=, >, >=, in or exists", place, shown(list[0]))
	}
	field, isText := rest[0].(string)
	if !isText {
		return Filter{}, invalid("%s[1] is %s; expected the name of a field", place, shown(rest[0]))
	}
	filter.Field = Field(field)
	values, where := rest[1:], func(int) string { return place + "[2]" }
	if filter.Op == OpIn {
		var isList bool
		if values, isList = rest[1].([]any); !isList {
			return Filter{}, invalid("%s[2] is %s; expected an array of values", place, shown(rest[1]))
		}
		where = func(i int) string { return fmt.Sprintf("%s[2][%d]", place, i) }
	}
	for i, value := range values {
		switch value.(type) {
		case []any, map[string]any:
			return Filter{}, invalid("%s is %s; expected a string, a number, true, false or null", where(i), shown(value))
		}
		value, err := scalar(value)
		if err != nil {
			return Filter{}, at(where(i), err)
		}
		filter.Values = append(filter.Values, value)
	}
	return filter, nil
}

// shown is a part of a filter for a message: short.
func shown(value any) string {
	data, err := plainJSON(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	text := []rune(string(data))
	if len(text) > 60 {
		return string(text[:60]) + "…"
	}
	return string(text)
}
