package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

const (
	// MaxMapPoints is how many points a map has at most: where there are more rows, it is made of so many of them, evenly
	// spread over the order of their ids, which is that of time.
	MaxMapPoints = 10_000
	// MaxMapText is how many characters of a row's text are on a map.
	MaxMapText = 240

	mapWait    = 2 * time.Second  // how long a request waits for a map that is being made
	mapAbandon = 10 * time.Second // how long one is made that nobody asks for any more
	mapsKept   = 4                // one for each read scope; each has its vectors
	mapStale   = time.Minute      // how old one may be where the store cannot say whether it has changed
)

// MapResponse is a map of the stored rows.
type MapResponse struct {
	// Revision is another one when the rows, and with them the map, have changed.
	Revision string `json:"revision"`
	// Total is how many rows there are; there are fewer points where they are more than MaxMapPoints.
	Total  int        `json:"total"`
	Points []MapPoint `json:"points"`
	// TimeMS is how long the map took to make, at its time.
	TimeMS float64 `json:"time_ms"`
}

// MapPoint is a row on the map.
type MapPoint struct {
	ID         string `json:"id"`
	SourceType string `json:"source_type"`
	SourceID   string `json:"source_id"`
	// Text is the row's, or its beginning.
	Text string `json:"text"`
	embeddings.Point
}

// MapProgress answers with 202 in place of a map that is not there yet: ask again.
type MapProgress struct {
	// Progress is how much of it is made, from 0 to 1.
	Progress float64 `json:"progress"`
}

// MapPlace says where a text that is not stored would lie on the map.
type MapPlace struct {
	embeddings.Point
	// Revision is that of the map.
	Revision string `json:"revision"`
}

// mapCache has the maps that were made, the last asked for first.
type mapCache struct {
	mu    sync.Mutex
	list  []*storedMap
	alone chan struct{} // one map is made at a time
	most  int           // MaxMapPoints, but in tests
	// project is embeddings.Project, but in tests.
	project func(ctx context.Context, vectors [][]float32, progress func(done, total int)) (projection, error)
}

// projection is *embeddings.Projection.
type projection interface {
	At(i int) embeddings.Point
	Place(vector []float32) (embeddings.Point, error)
}

func newMapCache() *mapCache {
	return &mapCache{
		alone: make(chan struct{}, 1),
		most:  MaxMapPoints,
		project: func(ctx context.Context, vectors [][]float32, progress func(done, total int)) (projection, error) {
			return embeddings.Project(ctx, vectors, progress)
		},
	}
}

// storedMap is of what one scope lets be read.
type storedMap struct {
	scope, fingerprint, revision string
	progress                     atomic.Int64  // in millionths
	asked                        atomic.Int64  // when it was last asked for, in nanoseconds of Unix time
	done                         chan struct{} // closed when it is made, and what stands below is set

	answer  *MapResponse
	project projection
	err     error
}

// mapPoints answers GET /api/embeddings/map.
func (s *server) mapPoints(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if err := readQuery(r, nil); err != nil {
		return nil, err
	}
	found, pending, err := s.mapOf(r.Context(), model)
	switch {
	case err != nil:
		return nil, err
	case pending != nil:
		return pending, nil
	}
	return found.answer, nil
}

// mapPlace answers GET /api/embeddings/map/place.
func (s *server) mapPlace(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	const parameter = `parameter "q"`
	query := ""
	err := readQuery(r, map[string]func(string) error{"q": func(value string) error {
		query = value
		return wire.Blank(parameter, value)
	}})
	if err != nil {
		return nil, err
	}
	if query == "" {
		return nil, invalid(wire.Missing(parameter + ", the text to place,"))
	}
	if query, err = s.clean(r.Context(), model, parameter, query); err != nil {
		return nil, err
	}
	found, pending, err := s.mapOf(r.Context(), model)
	switch {
	case err != nil:
		return nil, err
	case pending != nil:
		return pending, nil
	case len(found.answer.Points) == 0:
		return nil, &problem{http.StatusNotFound, "not-found", "the map has no points to place a text between; store something first"}
	}
	embedded, err := s.service.Embed(r.Context(), query, embeddings.WithPromptName(embeddings.PromptQuery))
	if err != nil {
		return nil, err
	}
	point, err := found.project.Place(embedded.Vector)
	return &MapPlace{point, found.answer.Revision}, err
}

// mapOf gives the map of what the caller may read, or how far it is where it is not made in the time that a request waits.
func (s *server) mapOf(ctx context.Context, model *embeddings.ModelInfo) (*storedMap, *MapProgress, error) {
	if s.store == nil {
		return nil, nil, errNoStore
	}
	revision, err := s.revision(ctx)
	if err != nil {
		return nil, nil, err
	}
	scope := scoped(ctx, embeddings.Filter{})
	name, err := json.Marshal(scope)
	if err != nil {
		return nil, nil, err
	}
	found, fresh := s.maps.find(string(name), model.Fingerprint, revision)
	if fresh {
		go s.makeMap(found, scope, model)
	}
	limit := time.NewTimer(mapWait)
	defer limit.Stop()
	select {
	case <-found.done:
	case <-limit.C:
		return nil, &MapProgress{float64(found.progress.Load()) / 1e6}, nil
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
	}
	if found.err != nil {
		s.maps.forget(found)
		if errors.Is(found.err, embeddings.ErrCancelled) { // nobody had asked for a while; the next request begins it anew
			return nil, new(MapProgress), nil
		}
		return nil, nil, found.err
	}
	return found, nil, nil
}

// revision is another one when the rows have changed.
func (s *server) revision(ctx context.Context) (string, error) {
	if store, can := s.store.(interface {
		Revision(ctx context.Context) (uint64, error)
	}); can {
		revision, err := store.Revision(ctx)
		return strconv.FormatUint(revision, 10), err
	}
	count, err := s.store.Count(ctx, embeddings.Selection{})
	return fmt.Sprintf("%d-%d", count, time.Now().Truncate(mapStale).Unix()), err
}

// find gives a map, or one to be made. One that is being made is given whatever the revision: while rows are written all the
// time, there would never be any.
func (m *mapCache) find(scope, fingerprint, revision string) (found *storedMap, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, old := range m.list {
		if old.scope != scope {
			continue
		}
		m.list = slices.Delete(m.list, i, i+1)
		if finished(old.done) && (old.revision != revision || old.fingerprint != fingerprint) {
			break
		}
		found = old
		break
	}
	if found == nil {
		found = &storedMap{scope: scope, fingerprint: fingerprint, revision: revision, done: make(chan struct{})}
		fresh = true
	}
	found.asked.Store(time.Now().UnixNano())
	m.list = slices.Insert(m.list, 0, found)
	m.list = m.list[:min(len(m.list), mapsKept)]
	return found, fresh
}

// forget has a map that could not be made tried again.
func (m *mapCache) forget(failed *storedMap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = slices.DeleteFunc(m.list, func(other *storedMap) bool { return other == failed })
}

func finished(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// makeMap outlives the request that it was begun for, so that the next one finds more of it done; but not for long.
func (s *server) makeMap(m *storedMap, scope embeddings.Filter, model *embeddings.ModelInfo) {
	defer close(m.done)
	defer func() {
		if crash := recover(); crash != nil { // here it would end the process
			m.err = fmt.Errorf("making a map panicked: %v", crash)
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := func(done, total int) {
		m.progress.Store(int64(done) * 1e6 / int64(max(total, 1)))
		if time.Since(time.Unix(0, m.asked.Load())) > mapAbandon {
			cancel()
		}
	}
	s.maps.alone <- struct{}{}
	defer func() { <-s.maps.alone }()
	start := time.Now()
	total, rows, err := s.mapRows(ctx, scope, model, watch)
	if err != nil {
		m.err = err
		return
	}
	vectors := make([][]float32, len(rows))
	for i, row := range rows {
		vectors[i] = row.Vector
	}
	if m.project, m.err = s.maps.project(ctx, vectors, watch); m.err != nil {
		return
	}
	answer := &MapResponse{Revision: m.revision, Total: total, Points: make([]MapPoint, len(rows))}
	for i, row := range rows {
		answer.Points[i] = MapPoint{row.ID, row.SourceType, row.SourceID, beginning(row.Text, MaxMapText), m.project.At(i)}
	}
	answer.TimeMS = milliseconds(time.Since(start))
	m.answer = answer
}

// mapRows gives the rows of a map, with their vectors, and how many there are in all.
func (s *server) mapRows(ctx context.Context, scope embeddings.Filter, model *embeddings.ModelInfo,
	watch func(done, total int)) (total int, rows []*embeddings.Embedding, err error) {
	selection := embeddings.Selection{Fingerprint: model.Fingerprint, Filter: scope}
	if total, err = s.store.Count(ctx, selection); err != nil {
		return 0, nil, err
	}
	most := s.maps.most
	all := total <= most
	seen := 0
	for row, err := range s.store.List(ctx, embeddings.ListOptions{Selection: selection, WithoutVectors: !all}) {
		if err != nil {
			return 0, nil, err
		}
		watch(0, 1)
		taken := all || seen*most/total != (seen+1)*most/total
		seen++
		if !taken || row.Dimensions != model.Dimensions || len(rows) == most {
			continue
		}
		if !all {
			if row, err = s.store.Get(ctx, row.ID); errors.Is(err, embeddings.ErrNotFound) {
				continue // it is gone since
			} else if err != nil {
				return 0, nil, err
			}
		}
		rows = append(rows, row)
	}
	return total, rows, nil
}

// beginning is so many characters of a text.
func beginning(text string, characters int) string {
	for i := range text {
		if characters == 0 {
			return text[:i] + "…"
		}
		characters--
	}
	return text
}
