package embedtest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// selector makes a selection a function; a filter that is none is an error.
func selector(selection embeddings.Selection) (func(*embeddings.Embedding) bool, error) {
	data, err := json.Marshal(selection.Filter) // finds values that are none
	if err != nil {
		return nil, err
	}
	filter, err := embeddings.ParseFilter(string(data))
	if err != nil {
		return nil, err
	}
	if err := check(filter); err != nil {
		return nil, err
	}
	return func(row *embeddings.Embedding) bool {
		return (selection.Fingerprint == "" || row.Fingerprint == selection.Fingerprint) && passes(filter, row)
	}, nil
}

// check refuses fields that there are not, and values that are not of a field's type.
func check(filter embeddings.Filter) error {
	for _, part := range filter.Filters {
		if err := check(part); err != nil {
			return err
		}
	}
	switch filter.Op {
	case embeddings.OpAnd, embeddings.OpOr, embeddings.OpNot:
		return nil
	}
	if key, isMeta := filter.Field.Meta(); isMeta && key != "" {
		for _, value := range filter.Values {
			switch value.(type) {
			case bool, nil:
				if filter.Op != embeddings.OpEq && filter.Op != embeddings.OpNe && filter.Op != embeddings.OpIn {
					return fmt.Errorf("%w: %v has no order", embeddings.ErrInvalidArgument, value)
				}
			}
		}
		return nil
	}
	field, known := value(filter.Field, &embeddings.Embedding{})
	if !known {
		return fmt.Errorf("%w: no field %q", embeddings.ErrInvalidArgument, filter.Field)
	}
	for _, value := range filter.Values {
		if fmt.Sprintf("%T", value) != fmt.Sprintf("%T", field) {
			return fmt.Errorf("%w: %v is no value of %q", embeddings.ErrInvalidArgument, value, filter.Field)
		}
		if text, _ := value.(string); filter.Field == embeddings.FieldCreatedAt || filter.Field == embeddings.FieldUpdatedAt {
			if _, err := time.Parse(time.RFC3339, text); err != nil || !strings.HasSuffix(text, "Z") {
				return fmt.Errorf("%w: %q is no time", embeddings.ErrInvalidArgument, text)
			}
		}
	}
	return nil
}

func passes(filter embeddings.Filter, row *embeddings.Embedding) bool {
	switch filter.Op {
	case embeddings.OpAnd:
		for _, part := range filter.Filters {
			if !passes(part, row) {
				return false
			}
		}
		return true
	case embeddings.OpOr:
		for _, part := range filter.Filters {
			if passes(part, row) {
				return true
			}
		}
		return false
	case embeddings.OpNot:
		return !passes(filter.Filters[0], row)
	}
	found, there := value(filter.Field, row)
	if filter.Op == embeddings.OpExists {
		return there
	}
	some := false
	for _, wanted := range filter.Values {
		order, ordered := compare(found, wanted)
		equal := found == wanted || ordered && order == 0
		switch filter.Op {
		case embeddings.OpEq, embeddings.OpNe, embeddings.OpIn:
			some = some || there && equal
		case embeddings.OpLt:
			some = there && ordered && order < 0
		case embeddings.OpLe:
			some = there && ordered && order <= 0
		case embeddings.OpGt:
			some = there && ordered && order > 0
		case embeddings.OpGe:
			some = there && ordered && order >= 0
		}
	}
	return some != (filter.Op == embeddings.OpNe)
}

// value gives what a row has in a field, and whether it has it.
func value(field embeddings.Field, row *embeddings.Embedding) (any, bool) {
	if key, isMeta := field.Meta(); isMeta {
		found, there := row.Metadata[key]
		return found, there
	}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	switch field {
	case embeddings.FieldID:
		return row.ID, true
	case embeddings.FieldSourceType:
		return row.SourceType, true
	case embeddings.FieldSourceID:
		return row.SourceID, true
	case embeddings.FieldModel:
		return row.Model, true
	case embeddings.FieldChunk:
		return int64(row.Chunk), true
	case embeddings.FieldCreatedAt:
		return stamp(row.CreatedAt), true
	case embeddings.FieldUpdatedAt:
		return stamp(row.UpdatedAt), true
	}
	return nil, false
}

// compare orders two texts or two numbers; nothing else has an order.
func compare(a, b any) (order int, ordered bool) {
	if x, isText := a.(string); isText {
		y, isText := b.(string)
		return strings.Compare(x, y), isText
	}
	x, y := number(a), number(b)
	if x == nil || y == nil {
		return 0, false
	}
	return x.Cmp(y), true
}

// number is exact: 64 bits hold every int64.
func number(value any) *big.Float {
	switch n := value.(type) {
	case int64:
		return new(big.Float).SetInt64(n)
	case float64:
		return big.NewFloat(n)
	}
	return nil
}
