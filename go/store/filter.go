package store

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

const (
	maxFilter     = 1 << 20
	maxConditions = 10_000
)

// CheckFilter refuses a filter that is none, and gives it with its values in the form that rows have: times as
// [Timestamp] writes them. The zero Filter becomes And().
func CheckFilter(filter embeddings.Filter) (embeddings.Filter, error) {
	written, err := json.Marshal(filter) // says what is wrong with a value
	if err != nil {
		return filter, err
	}
	if len(written) > maxFilter {
		return filter, invalid("the filter has %d bytes as JSON; expected at most %d", len(written), maxFilter)
	}
	// Once more from its text: that has the rules for operators and how deep it may be.
	if filter, err = embeddings.ParseFilter(string(written)); err != nil {
		return filter, err
	}
	conditions := 0
	return filter, checkFilter(&filter, &conditions)
}

func checkFilter(filter *embeddings.Filter, conditions *int) error {
	if *conditions += 1 + len(filter.Values); *conditions > maxConditions {
		return invalid("the filter has more than %d conditions and values", maxConditions)
	}
	switch filter.Op {
	case embeddings.OpAnd, embeddings.OpOr, embeddings.OpNot:
		for i := range filter.Filters {
			if err := checkFilter(&filter.Filters[i], conditions); err != nil {
				return err
			}
		}
		return nil
	}
	if key, isMeta := filter.Field.Meta(); isMeta {
		return checkMeta(filter, key)
	}
	for i, value := range filter.Values {
		text, isText := value.(string)
		switch filter.Field {
		case embeddings.FieldChunk:
			if _, isInteger := value.(int64); !isInteger {
				return invalid("the filter %q compares chunk with %v; expected an integer", filter.Op, value)
			}
		case embeddings.FieldCreatedAt, embeddings.FieldUpdatedAt:
			moment, err := time.Parse(time.RFC3339, text)
			if !isText || err != nil || !strings.HasSuffix(text, "Z") || moment.Nanosecond()%int(time.Millisecond) != 0 {
				return invalid("the filter %q compares %s with %v; expected a time in UTC, at most to the millisecond, such as "+
					"2026-01-31T00:00:00Z", filter.Op, filter.Field, value)
			}
			filter.Values[i] = Timestamp(moment)
		default:
			if !isText {
				return invalid("the filter %q compares %s with %v; expected a text", filter.Op, filter.Field, value)
			}
		}
	}
	switch filter.Field {
	case embeddings.FieldID, embeddings.FieldSourceType, embeddings.FieldSourceID, embeddings.FieldModel, embeddings.FieldChunk,
		embeddings.FieldCreatedAt, embeddings.FieldUpdatedAt:
		return nil
	}
	return invalid("the filter %q asks for %q; expected id, source_type, source_id, model, chunk, created_at, updated_at or metadata.KEY",
		filter.Op, filter.Field)
}

func checkMeta(filter *embeddings.Filter, key string) error {
	if key == "" || len(key) > maxKey {
		return invalid("the filter %q: the metadata key %q has %d bytes; expected 1 to %d", filter.Op, key, len(key), maxKey)
	}
	for _, value := range filter.Values {
		switch value.(type) {
		case bool, nil:
			switch filter.Op {
			case embeddings.OpLt, embeddings.OpLe, embeddings.OpGt, embeddings.OpGe:
				return invalid("the filter %q on %s: %v has no order; expected a number or a text", filter.Op, filter.Field, value)
			}
		}
	}
	return nil
}
