package weaviate

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"
	"github.com/weaviate/weaviate/entities/models"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// maxRows is the engine's QUERY_MAXIMUM_RESULTS where nobody has changed it: what one query gives, offset included.
const maxRows = 10_000

// The queries are written here and not by the client's builders: those quote as Go does, and GraphQL does not know all
// of its escapes.

// text quotes a string. The escapes of JSON are GraphQL's too.
func text(s string) string {
	var quoted strings.Builder
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string can always be
	return strings.TrimSuffix(quoted.String(), "\n")
}

func texts(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = text(s)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

func whereText(where *models.WhereFilter) string {
	parts := []string{"operator:" + where.Operator}
	if len(where.Path) > 0 {
		parts = append(parts, "path:"+texts(where.Path))
	}
	switch {
	case where.ValueText != nil:
		parts = append(parts, "valueText:"+text(*where.ValueText))
	case where.ValueTextArray != nil:
		parts = append(parts, "valueText:"+texts(where.ValueTextArray))
	case where.ValueNumber != nil:
		parts = append(parts, "valueNumber:"+strconv.FormatFloat(*where.ValueNumber, 'f', 1, 64))
	}
	if len(where.Operands) > 0 {
		operands := make([]string, len(where.Operands))
		for i, operand := range where.Operands {
			operands[i] = whereText(operand)
		}
		parts = append(parts, "operands:["+strings.Join(operands, ",")+"]")
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// arguments are those of a query of a collection.
type arguments []string

func (a *arguments) add(name, value string) { *a = append(*a, name+":"+value) }

func (a *arguments) where(where *filters.WhereBuilder) {
	if where != nil {
		a.add("where", whereText(where.Build()))
	}
}

func (a arguments) String() string {
	if len(a) == 0 {
		return ""
	}
	return "(" + strings.Join(a, ",") + ")"
}

// hit is a row that a query found.
type hit struct {
	embedding *embeddings.Embedding
	score     float32
}

// get asks for rows of a collection. sorted are the properties that args sort by, if they do: each shard sorts what it has by its
// index, but the engine merges shards by what they were asked for.
func (s *Store) get(ctx context.Context, what string, c *collection, args arguments, vectors bool, sorted ...string) ([]hit, error) {
	if c.replicated {
		args.add("consistencyLevel", string(s.settings.read))
	}
	additional := "score"
	if vectors {
		additional += " vector"
	}
	properties := strings.Join(append([]string{rowProperty, textProperty}, sorted...), " ")
	query := "{Get{" + c.name + args.String() + "{" + properties + " _additional{" + additional + "}}}}"
	var hits []hit
	err := s.retry(ctx, what, func() error {
		var rows []struct {
			Row        string `json:"row"`
			Text       string `json:"text"`
			Additional struct {
				Score  string    `json:"score"`
				Vector []float32 `json:"vector"`
			} `json:"_additional"`
		}
		if err := s.query(ctx, query, "Get", c.name, &rows); err != nil {
			return err
		}
		hits = make([]hit, len(rows))
		for i, r := range rows {
			read, err := c.embedding(map[string]any{rowProperty: r.Row, textProperty: r.Text}, r.Additional.Vector)
			if err != nil {
				return err
			}
			score, _ := strconv.ParseFloat(r.Additional.Score, 32) // empty where there are no words
			hits[i] = hit{read, float32(score)}
		}
		return nil
	})
	return hits, s.gone(ctx, c, err)
}

// count asks how many rows of a collection are meant.
func (s *Store) count(ctx context.Context, c *collection, of condition) (int, error) {
	if of.none {
		return 0, nil
	}
	var args arguments
	args.where(of.where)
	query := "{Aggregate{" + c.name + args.String() + "{meta{count}}}}"
	n := 0
	err := s.retry(ctx, "count rows", func() error {
		var groups []struct {
			Meta struct {
				Count int `json:"count"`
			} `json:"meta"`
		}
		if err := s.query(ctx, query, "Aggregate", c.name, &groups); err != nil {
			return err
		}
		if n = 0; len(groups) > 0 {
			n = groups[0].Meta.Count
		}
		return nil
	})
	return n, s.gone(ctx, c, err)
}

// gone is nil where a call has failed because the collection was deleted meanwhile: nothing is found in it.
func (s *Store) gone(ctx context.Context, c *collection, err error) error {
	if err == nil || !strings.Contains(err.Error(), c.name) && !strings.Contains(err.Error(), "class") {
		return err
	}
	if again, refreshed := s.refresh(ctx, c.fingerprint); refreshed == nil && again == nil {
		return nil
	}
	return err
}

// query runs a query and reads what it gives of a collection.
func (s *Store) query(ctx context.Context, query, kind, name string, into any) error {
	response, err := s.client.GraphQL().Raw().WithQuery(query).Do(ctx)
	if err != nil {
		return err
	}
	if len(response.Errors) > 0 {
		var messages []string
		for _, e := range response.Errors {
			messages = append(messages, e.Message)
		}
		return &failure{http.StatusOK, strings.Join(messages, "; ")}
	}
	data, err := json.Marshal(response.Data[kind])
	if err != nil {
		return err
	}
	var of map[string]json.RawMessage
	if err := json.Unmarshal(data, &of); err != nil {
		return err
	}
	return json.Unmarshal(of[name], into)
}
