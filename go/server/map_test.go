package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// line lays points in a row, in their order; what is placed lies at the end of it.
type line int

func (l line) At(i int) embeddings.Point { return embeddings.Point{X: float32(i) / float32(l)} }

func (l line) Place([]float32) (embeddings.Point, error) { return embeddings.Point{X: 1}, nil }

// mapper makes maps that are lines, and counts them.
type mapper struct {
	made    atomic.Int64
	takes   time.Duration // for each of ten steps
	failure error
}

func (m *mapper) project(ctx context.Context, vectors [][]float32, progress func(done, total int)) (server.Projection, error) {
	for step := range 10 {
		if m.takes > 0 {
			time.Sleep(m.takes)
		}
		progress(step+1, 10)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
		}
	}
	m.made.Add(1)
	return line(max(1, len(vectors))), m.failure
}

func newMapHost(m *mapper, change ...func(*server.Config)) *host {
	var config server.Config
	h := newHost(append(change, func(c *server.Config) { config = *c })...)
	h.handler = server.NewWithProjection(config, 100, m.project)
	return h
}

func (h *host) put(t *testing.T, id, text string) {
	t.Helper()
	body := fmt.Sprintf(`{"items":[{"source_type":"note","source_id":%q,"text":%q}]}`, id, text)
	if answer := h.post("/api/embeddings/batch", body); answer.Code != 200 {
		t.Fatal(answer.Body)
	}
}

func (h *host) mapped(t *testing.T) (answer server.MapResponse) {
	t.Helper()
	got := h.get("/api/embeddings/map")
	if got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestAMapHasAPointForEachRow(t *testing.T) {
	h := newMapHost(new(mapper))
	h.put(t, "a", "a pump")
	h.put(t, "b", strings.Repeat("ä", 500))
	answer := h.mapped(t)
	if answer.Total != 2 || len(answer.Points) != 2 || answer.Revision == "" {
		t.Fatalf("%+v", answer)
	}
	first, second := answer.Points[0], answer.Points[1]
	if first.SourceType != "note" || first.SourceID != "a" || first.Text != "a pump" || first.ID == "" || first.X != 0 || second.X != 0.5 {
		t.Errorf("%+v", answer.Points)
	}
	if second.Text != strings.Repeat("ä", server.MaxMapText)+"…" {
		t.Errorf("a long text is not cut: %d bytes", len(second.Text))
	}
}

func TestAMapIsKeptUntilTheRowsChange(t *testing.T) {
	m := new(mapper)
	h := newMapHost(m)
	h.put(t, "a", "a pump")
	first := h.mapped(t)
	if again := h.mapped(t); again.Revision != first.Revision || m.made.Load() != 1 {
		t.Fatalf("made %d times; revisions %q, %q", m.made.Load(), first.Revision, again.Revision)
	}
	h.put(t, "b", "a valve")
	if changed := h.mapped(t); len(changed.Points) != 2 || changed.Revision == first.Revision || m.made.Load() != 2 {
		t.Errorf("%+v after %d maps", changed, m.made.Load())
	}
}

func TestOfManyRowsAMapHasASampleEvenlySpread(t *testing.T) {
	h := newMapHost(new(mapper))
	for first := range 5 {
		var items []string
		for i := range 50 {
			items = append(items, fmt.Sprintf(`{"source_type":"note","source_id":"%d","text":"text"}`, first*50+i))
		}
		if answer := h.post("/api/embeddings/batch", `{"items":[`+strings.Join(items, ",")+`]}`); answer.Code != 200 {
			t.Fatal(answer.Body)
		}
	}
	answer := h.mapped(t)
	if answer.Total != 250 || len(answer.Points) != 100 {
		t.Fatalf("%d points of %d", len(answer.Points), answer.Total)
	}
	for i, point := range answer.Points {
		if place, err := strconv.Atoi(point.SourceID); err != nil || place < i*5/2 || place > i*5/2+3 {
			t.Errorf("point %d is of row %s", i, point.SourceID)
		}
	}
}

func TestAnEmptyStoreHasAnEmptyMap(t *testing.T) {
	h := newMapHost(new(mapper))
	if answer := h.mapped(t); answer.Total != 0 || answer.Points == nil {
		t.Errorf("%+v", answer)
	}
	isProblem(t, h.get("/api/embeddings/map/place?q=pump"), 404, "no points")
}

func TestATextIsPlaced(t *testing.T) {
	h := newMapHost(new(mapper))
	h.put(t, "a", "a pump")
	got := h.get("/api/embeddings/map/place?q=a+valve")
	if fields := object(t, got.Body, "x", "y", "revision"); fields["x"] != 1.0 || fields["revision"] != h.mapped(t).Revision {
		t.Errorf("%v", fields)
	}
	isProblem(t, h.get("/api/embeddings/map/place"), 400, `parameter "q"`)
	isProblem(t, h.get("/api/embeddings/map/place?q=+"), 400, `parameter "q"`)
	isProblem(t, h.get("/api/embeddings/map?q=a"), 400, "unknown parameter")
}

func TestAMapThatTakesLongIsA202UntilItIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mapper{takes: 700 * time.Millisecond}
		h := newMapHost(m)
		h.put(t, "a", "a pump")
		last := 0.0
		for range 3 {
			got := h.get("/api/embeddings/map")
			if got.Code != http.StatusAccepted || got.Header().Get("Retry-After") != "1" {
				t.Fatalf("%d %v", got.Code, got.Header())
			}
			progress := object(t, got.Body, "progress")["progress"].(float64)
			if progress <= last || progress >= 1 {
				t.Errorf("progress %v after %v", progress, last)
			}
			last = progress
		}
		if answer := h.mapped(t); len(answer.Points) != 1 || m.made.Load() != 1 {
			t.Errorf("%+v", answer)
		}
	})
}

func TestAMapThatNobodyAsksForIsNotMadeToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mapper{takes: 4 * time.Second}
		h := newMapHost(m)
		h.put(t, "a", "a pump")
		if got := h.get("/api/embeddings/map"); got.Code != http.StatusAccepted {
			t.Fatal(got.Code)
		}
		time.Sleep(time.Minute)
		if m.made.Load() != 0 {
			t.Error("it was made")
		}
		// Who asks again gets it all the same.
		for range 30 {
			if h.get("/api/embeddings/map").Code == 200 {
				return
			}
		}
		t.Error("it is never made again")
	})
}

func TestAFailedMapIsTriedAgain(t *testing.T) {
	m := &mapper{failure: errors.New("/secret: no")}
	h := newMapHost(m)
	h.put(t, "a", "a pump")
	isProblem(t, h.get("/api/embeddings/map"), 500, "log")
	m.failure = nil
	if answer := h.mapped(t); len(answer.Points) != 1 {
		t.Errorf("%+v", answer)
	}
}

func TestAMapHasOnlyWhatItsKeyMayRead(t *testing.T) {
	m := new(mapper)
	some := key("some", "some", server.RoleRead)
	some.Scope = embeddings.Eq("source_id", "b")
	h := newMapHost(m, func(c *server.Config) {
		c.Keys = server.NewKeys([]server.Key{key("all", "all", server.RoleWrite), some})
	})
	as := func(secret, method, path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, path, strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		return recorder
	}
	as("all", "POST", "/api/embeddings/batch", `{"items":[{"source_type":"note","source_id":"a","text":"a"},{"source_type":"note","source_id":"b","text":"b"}]}`)
	for secret, want := range map[string]int{"all": 2, "some": 1} {
		var answer server.MapResponse
		if err := json.Unmarshal(as(secret, "GET", "/api/embeddings/map", "").Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Total != want || len(answer.Points) != want || answer.Points[want-1].SourceID != "b" {
			t.Errorf("%s: %+v", secret, answer)
		}
	}
	isProblem(t, h.get("/api/embeddings/map"), 401, "key")
}
