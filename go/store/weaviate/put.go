package weaviate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-openapi/strfmt"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"
	"github.com/weaviate/weaviate/entities/models"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

const (
	batchRows = 200 // of one request
	lookups   = 16  // rows that are read at once
)

// Put stores records and says of each what was done. All are checked before one is written. Where the engine fails in
// the middle and does not come back in time, the error is an ErrStoreUnavailable that says so, and some records may be
// there: the same Put again completes it.
func (s *Store) Put(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	checked := make([]embeddings.Record, len(records))
	for i, r := range records {
		metadata, _, err := store.CheckRecord(&r)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		r.Metadata = metadata
		checked[i] = r
	}
	rows, err := s.rows(ctx, checked, true)
	if err != nil {
		return nil, err
	}
	changed := map[string]*embeddings.Embedding{} // by the engine's id
	outcomes := make([]embeddings.Outcome, len(records))
	for i := range checked {
		r := &checked[i]
		id := objectID(r)
		if outcomes[i], err = apply(rows, changed, id, r); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
	}
	if err := s.ownIDs(ctx, rows, changed); err != nil {
		return nil, err
	}
	return outcomes, s.write(ctx, changed)
}

// apply makes a record a row, beside those that are there.
func apply(rows, changed map[string]*embeddings.Embedding, id string, r *embeddings.Record) (embeddings.Outcome, error) {
	before := rows[id]
	switch {
	case before != nil && r.ID != "" && r.ID != before.ID:
		return 0, invalid("the id '%s' is given to %s '%s', whose row has the id '%s'", r.ID, r.SourceType, r.SourceID, before.ID)
	case len(r.Vector) == 0 && before == nil:
		return 0, fmt.Errorf("%w: there is no vector, and no row of %s '%s' that has one", embeddings.ErrDimensions, r.SourceType, r.SourceID)
	case len(r.Vector) == 0 && before.Text != r.Text:
		return 0, fmt.Errorf("%w: there is no vector, and the row of %s '%s' has another text", embeddings.ErrDimensions, r.SourceType, r.SourceID)
	}
	now := store.Now()
	row := &embeddings.Embedding{Record: *r, CreatedAt: now, UpdatedAt: now}
	row.Vector = slices.Clone(r.Vector)
	outcome := embeddings.Inserted
	switch {
	case before == nil && row.ID == "":
		row.ID = id
	case before != nil:
		outcome = embeddings.Replaced
		row.ID, row.CreatedAt = before.ID, before.CreatedAt
		if len(row.Vector) == 0 {
			row.Vector = before.Vector
		}
		if row.Text == before.Text && row.Model == before.Model && row.ChunkStart == before.ChunkStart && row.ChunkEnd == before.ChunkEnd &&
			slices.Equal(row.Vector, before.Vector) && maps.Equal(row.Metadata, before.Metadata) {
			return embeddings.Unchanged, nil
		}
	}
	row.Dimensions = len(row.Vector)
	rows[id], changed[id] = row, row
	return outcome, nil
}

// Has says of each record whether its text is there already, under its source, chunk and fingerprint, and, where it has a
// vector, with as many components.
func (s *Store) Has(ctx context.Context, records []embeddings.Record) ([]bool, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, records, false)
	if err != nil {
		return nil, err
	}
	has := make([]bool, len(records))
	for i := range records {
		row := rows[objectID(&records[i])]
		has[i] = row != nil && row.Text == records[i].Text && (len(records[i].Vector) == 0 || len(records[i].Vector) == row.Dimensions)
	}
	return has, nil
}

// rows gives what is there of records, by the engine's ids: one by one, because only so as many replicas are asked as the
// level says.
func (s *Store) rows(ctx context.Context, records []embeddings.Record, vectors bool) (map[string]*embeddings.Embedding, error) {
	wanted := map[string]*collection{}
	for i := range records {
		c, err := s.collection(ctx, records[i].Fingerprint)
		if err != nil {
			return nil, err
		}
		if c != nil {
			wanted[objectID(&records[i])] = c
		}
	}
	var (
		mu     sync.Mutex
		wait   sync.WaitGroup
		first  error
		places = make(chan struct{}, lookups)
		rows   = make(map[string]*embeddings.Embedding, len(wanted))
	)
	for id, c := range wanted {
		places <- struct{}{}
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			<-places
			break
		}
		wait.Go(func() {
			defer func() { <-places }()
			row, err := s.byObjectID(ctx, c, id, vectors)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			if row != nil {
				rows[id] = row
			}
		})
	}
	wait.Wait()
	return rows, first
}

// byObjectID reads a row; nil where there is none.
func (s *Store) byObjectID(ctx context.Context, c *collection, id string, vectors bool) (row *embeddings.Embedding, err error) {
	err = s.retry(ctx, "read a row", func() error {
		getter := s.client.Data().ObjectsGetter().WithClassName(c.name).WithID(id).WithConsistencyLevel(string(s.settings.read))
		if vectors {
			getter = getter.WithVector()
		}
		objects, err := getter.Do(ctx)
		row = nil
		if statusOf(err) == http.StatusNotFound {
			return nil
		}
		if err != nil || len(objects) == 0 {
			return err
		}
		properties, _ := objects[0].Properties.(map[string]any)
		row, err = c.embedding(properties, objects[0].Vector)
		return err
	})
	return row, s.gone(ctx, c, err)
}

// ownIDs refuses a new row with the id of another one. Two clients that give one id at once to two rows are not
// noticed: the engine has no such key.
func (s *Store) ownIDs(ctx context.Context, rows, changed map[string]*embeddings.Embedding) error {
	taken := make(map[string]string, len(rows)) // the engine's ids, by ours
	var given []any
	for id, row := range rows {
		if other, twice := taken[row.ID]; twice && other != id {
			return invalid("the id '%s' is given to two rows", row.ID)
		}
		taken[row.ID] = id
	}
	for id, row := range changed {
		if row.ID != id && row.CreatedAt.Equal(row.UpdatedAt) { // one that the store has not made
			given = append(given, row.ID)
		}
	}
	if len(given) == 0 {
		return nil
	}
	collections, err := s.all(ctx)
	if err != nil {
		return err
	}
	for _, c := range collections {
		for part := range slices.Chunk(given, 1000) {
			var args arguments
			args.where(oneOf(fieldProperty(embeddings.FieldID), part...).where)
			args.add("limit", fmt.Sprint(maxRows))
			hits, err := s.get(ctx, "look for ids", c, args, false)
			if err != nil {
				return err
			}
			for _, h := range hits {
				if other := objectID(&h.embedding.Record); taken[h.embedding.ID] != other {
					return invalid("the id '%s' is that of another row, of %s '%s'", h.embedding.ID, h.embedding.SourceType, h.embedding.SourceID)
				}
			}
		}
	}
	return nil
}

// write stores rows, collection by collection.
func (s *Store) write(ctx context.Context, rows map[string]*embeddings.Embedding) error {
	byModel := map[string][]*embeddings.Embedding{}
	keys := map[string]map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		row := rows[id]
		byModel[row.Fingerprint] = append(byModel[row.Fingerprint], row)
		if keys[row.Fingerprint] == nil {
			keys[row.Fingerprint] = map[string]bool{}
		}
		for key := range row.Metadata {
			keys[row.Fingerprint][key] = true
		}
	}
	// All that can be refused, and all that must be there, before the first row.
	into := map[string]*collection{}
	for _, fingerprint := range slices.Sorted(maps.Keys(byModel)) {
		model := byModel[fingerprint]
		c, err := s.collection(ctx, fingerprint)
		if err == nil && c == nil {
			c, err = s.create(ctx, fingerprint, len(model[0].Vector))
		}
		if err != nil {
			return err
		}
		for _, row := range model {
			if len(row.Vector) != c.dimensions {
				return c.otherSize(len(row.Vector))
			}
		}
		if into[fingerprint], err = s.withKeys(ctx, c, keys[fingerprint]); err != nil {
			return err
		}
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(byModel)) {
		for part := range slices.Chunk(byModel[fingerprint], batchRows) {
			if err := s.writeBatch(ctx, into[fingerprint], part); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeBatch repeats what fails until all is written.
func (s *Store) writeBatch(ctx context.Context, c *collection, rows []*embeddings.Embedding) error {
	left := make([]*models.Object, len(rows))
	for i, row := range rows {
		object, err := c.object(row)
		if err != nil {
			return err
		}
		left[i] = object
	}
	err := s.retry(ctx, "write rows", func() error {
		answers, err := s.client.Batch().ObjectsBatcher().WithObjects(left...).WithConsistencyLevel(string(s.settings.write)).Do(ctx)
		if err != nil {
			return err
		}
		failed := map[strfmt.UUID]string{}
		for _, answer := range answers {
			if answer.Result == nil || answer.Result.Errors == nil || len(answer.Result.Errors.Error) == 0 {
				continue
			}
			failed[answer.ID] = answer.Result.Errors.Error[0].Message
		}
		if len(failed) == 0 {
			return nil
		}
		left = slices.DeleteFunc(left, func(o *models.Object) bool { return failed[o.ID] == "" })
		return &failure{http.StatusOK, fmt.Sprintf("%d of %d rows: %s", len(left), len(rows), failed[left[0].ID])}
	})
	if errors.Is(err, embeddings.ErrStoreUnavailable) || errors.Is(err, embeddings.ErrStore) {
		return fmt.Errorf("%w (some of the records may be stored; the same call again completes it)", err)
	}
	if err != nil && strings.Contains(err.Error(), c.name) {
		s.forget(c.fingerprint)
	}
	return err
}

// PutSources stores records as Put does, as all that their sources have: other chunks of a record's source and
// fingerprint are deleted after it, and it gives how many these were. Between the two, searches can find old and new
// ones.
func (s *Store) PutSources(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, int, error) {
	outcomes, err := s.Put(ctx, records)
	if err != nil {
		return nil, 0, err
	}
	type source struct{ fingerprint, kind, id string }
	kept := map[source][]any{}
	for _, r := range records {
		of := source{r.Fingerprint, r.SourceType, r.SourceID}
		kept[of] = append(kept[of], int64(r.Chunk))
	}
	// Sources that keep the same chunks, as those of whole texts do, are one condition.
	type group struct{ fingerprint, kind, chunks string }
	ids, chunks := map[group][]any{}, map[group][]any{}
	for of, numbers := range kept {
		slices.SortFunc(numbers, func(a, b any) int { return int(a.(int64) - b.(int64)) })
		numbers = slices.Compact(numbers)
		g := group{of.fingerprint, of.kind, fmt.Sprint(numbers)}
		ids[g], chunks[g] = append(ids[g], of.id), numbers
	}
	conditions := map[string][]condition{}
	for g := range ids {
		conditions[g.fingerprint] = append(conditions[g.fingerprint], and(
			oneOf(fieldProperty(embeddings.FieldSourceType), g.kind), oneOf(fieldProperty(embeddings.FieldSourceID), ids[g]...),
			not(oneOf(fieldProperty(embeddings.FieldChunk), chunks[g]...))))
	}
	deleted := 0
	for fingerprint, of := range conditions {
		c, err := s.collection(ctx, fingerprint)
		if err != nil {
			return nil, deleted, err
		}
		for part := range slices.Chunk(of, 50) {
			n, err := s.deleteRows(ctx, c, or(part...))
			if deleted += n; err != nil {
				return nil, deleted, err
			}
		}
	}
	return outcomes, deleted, nil
}

// deleteRows deletes rows of a collection, as many at once as the engine allows, and gives how many there were.
func (s *Store) deleteRows(ctx context.Context, c *collection, of condition) (int, error) {
	if of.none || c == nil {
		return 0, nil
	}
	if of.where == nil { // the engine wants a condition: every row has an order
		of = ordered(filters.GreaterThanEqual, 0)
	}
	deleted := 0
	for {
		var matches int
		err := s.retry(ctx, "delete rows", func() error {
			answer, err := s.client.Batch().ObjectsBatchDeleter().WithClassName(c.name).WithWhere(of.where).WithOutput("minimal").
				WithConsistencyLevel(string(s.settings.write)).Do(ctx)
			if err != nil {
				return err
			}
			if answer.Results == nil {
				return &failure{http.StatusOK, "the answer has no results"}
			}
			deleted += int(answer.Results.Successful)
			matches = int(answer.Results.Matches)
			if answer.Results.Failed > 0 {
				return &failure{http.StatusOK, fmt.Sprintf("%d of %d rows: not enough replicas", answer.Results.Failed, matches)}
			}
			return nil
		})
		if err = s.gone(ctx, c, err); err != nil {
			return deleted, err
		}
		if matches < maxRows {
			return deleted, nil
		}
	}
}

// Delete deletes the rows of ids and gives how many there were; none is no error.
func (s *Store) Delete(ctx context.Context, ids ...string) (int, error) {
	return s.deleteIn(ctx, embeddings.In(embeddings.FieldID, ids...), 1000)
}

// DeleteBySource deletes all chunks of a source, of every model, and gives how many rows there were; none is no error.
func (s *Store) DeleteBySource(ctx context.Context, sourceType, sourceID string) (int, error) {
	return s.deleteIn(ctx, bySource(sourceType, sourceID), 0)
}

// DeleteWhere deletes the rows that pass a filter and gives how many there were. The zero Filter is an
// ErrInvalidArgument: And() is all rows.
func (s *Store) DeleteWhere(ctx context.Context, filter embeddings.Filter) (int, error) {
	if filter.IsZero() {
		return 0, invalid("the filter is empty; to delete all rows, say so: And()")
	}
	return s.deleteIn(ctx, filter, 0)
}

// deleteIn deletes in every collection. Where parts is not 0, the filter is an OpIn of so many values at a time.
func (s *Store) deleteIn(ctx context.Context, filter embeddings.Filter, parts int) (int, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	lists := []embeddings.Filter{filter}
	if parts > 0 && len(filter.Values) > parts {
		lists = nil
		for values := range slices.Chunk(filter.Values, parts) {
			lists = append(lists, embeddings.In(filter.Field, values...))
		}
	}
	for _, list := range lists { // before anything is deleted
		if _, err := store.CheckFilter(list); err != nil {
			return 0, err
		}
	}
	collections, err := s.all(ctx)
	if err != nil {
		return 0, err
	}
	deleted := 0
	for _, c := range collections {
		for _, list := range lists {
			of, err := s.selected(ctx, c, list)
			if err != nil {
				return deleted, err
			}
			n, err := s.deleteRows(ctx, c, of)
			if deleted += n; err != nil {
				return deleted, err
			}
		}
	}
	return deleted, nil
}

func bySource(sourceType, sourceID string) embeddings.Filter {
	return embeddings.And(embeddings.Eq(embeddings.FieldSourceType, sourceType), embeddings.Eq(embeddings.FieldSourceID, sourceID))
}
