package weaviate

import (
	"context"
	"slices"

	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// condition is which rows of a collection are meant. Without a where it is all of them, or none.
type condition struct {
	where *filters.WhereBuilder
	none  bool
}

var (
	every   = condition{}
	nothing = condition{none: true}
)

func (c condition) isEvery() bool { return c.where == nil && !c.none }

// translate makes a filter that store.CheckFilter has passed the engine's.
func (s *Store) translate(ctx context.Context, c *collection, filter embeddings.Filter) (condition, error) {
	switch filter.Op {
	case "":
		return every, nil
	case embeddings.OpAnd, embeddings.OpOr, embeddings.OpNot:
		var parts []condition
		for _, part := range filter.Filters {
			translated, err := s.translate(ctx, c, part)
			if err != nil {
				return nothing, err
			}
			parts = append(parts, translated)
		}
		switch filter.Op {
		case embeddings.OpAnd:
			return and(parts...), nil
		case embeddings.OpOr:
			return or(parts...), nil
		}
		return not(parts[0]), nil
	}
	key, isMeta := filter.Field.Meta()
	property := fieldProperty(filter.Field)
	if isMeta {
		property = metaProperty(key)
		known, err := s.knows(ctx, c, key)
		if err != nil {
			return nothing, err
		}
		if !known { // no row has it
			if filter.Op == embeddings.OpNe {
				return every, nil
			}
			return nothing, nil
		}
	}
	switch filter.Op {
	case embeddings.OpExists:
		if !isMeta {
			return every, nil
		}
		return compare(property, filters.GreaterThanEqual, nullTag), nil
	case embeddings.OpIn:
		return oneOf(property, filter.Values...), nil
	case embeddings.OpEq:
		return oneOf(property, filter.Values[0]), nil
	case embeddings.OpNe:
		return not(oneOf(property, filter.Values[0])), nil
	}
	tag, text := encode(filter.Values[0])
	least, below := compare(property, filters.GreaterThanEqual, tag), compare(property, filters.LessThan, afterTag[tag])
	switch filter.Op {
	case embeddings.OpLt:
		return and(least, compare(property, filters.LessThan, text)), nil
	case embeddings.OpLe:
		return and(least, compare(property, filters.LessThanEqual, text)), nil
	case embeddings.OpGt:
		return and(below, compare(property, filters.GreaterThan, text)), nil
	default:
		return and(below, compare(property, filters.GreaterThanEqual, text)), nil
	}
}

// selected checks a filter and translates it.
func (s *Store) selected(ctx context.Context, c *collection, filter embeddings.Filter) (condition, error) {
	checked, err := store.CheckFilter(filter)
	if err != nil {
		return nothing, err
	}
	return s.translate(ctx, c, checked)
}

func compare(property string, operator filters.WhereOperator, text string) condition {
	return condition{where: filters.Where().WithPath([]string{property}).WithOperator(operator).WithValueText(text)}
}

// oneOf is the rows whose property is one of some values.
func oneOf(property string, values ...any) condition {
	texts := make([]string, len(values))
	for i, value := range values {
		_, texts[i] = encode(value)
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	switch len(texts) {
	case 0:
		return nothing
	case 1:
		return compare(property, filters.Equal, texts[0])
	}
	return condition{where: filters.Where().WithPath([]string{property}).WithOperator(filters.ContainsAny).WithValueText(texts...)}
}

func ordered(operator filters.WhereOperator, number float64) condition {
	return condition{where: filters.Where().WithPath([]string{orderProperty}).WithOperator(operator).WithValueNumber(number)}
}

func and(parts ...condition) condition {
	var wheres []*filters.WhereBuilder
	for _, part := range parts {
		if part.none {
			return nothing
		}
		if part.where != nil {
			wheres = append(wheres, part.where)
		}
	}
	return joined(filters.And, wheres, every)
}

func or(parts ...condition) condition {
	var wheres []*filters.WhereBuilder
	for _, part := range parts {
		if part.isEvery() {
			return every
		}
		if part.where != nil {
			wheres = append(wheres, part.where)
		}
	}
	return joined(filters.Or, wheres, nothing)
}

func joined(operator filters.WhereOperator, wheres []*filters.WhereBuilder, otherwise condition) condition {
	switch len(wheres) {
	case 0:
		return otherwise
	case 1:
		return condition{where: wheres[0]}
	}
	return condition{where: filters.Where().WithOperator(operator).WithOperands(wheres)}
}

func not(part condition) condition {
	switch {
	case part.none:
		return every
	case part.where == nil:
		return nothing
	}
	return condition{where: filters.Where().WithOperator(filters.Not).WithOperands([]*filters.WhereBuilder{part.where})}
}
