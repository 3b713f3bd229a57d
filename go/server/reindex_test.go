package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// event is a server-sent one.
type event struct {
	name string
	data map[string]any
}

// readEvents reads to the end of the answer, or until enough says so.
func readEvents(t *testing.T, body io.Reader, enough func(event) bool) (events []event) {
	t.Helper()
	name := ""
	for lines := bufio.NewScanner(body); lines.Scan(); {
		line := lines.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			name = value
		case "data":
			data := map[string]any{}
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			events = append(events, event{name, data})
			if enough != nil && enough(events[len(events)-1]) {
				return events
			}
		case "", ":":
		default:
			t.Fatalf("%q is no line of an event", line)
		}
	}
	return events
}

type reindexFunc = func(context.Context, embeddings.ReindexOptions, func(done, total int)) (*embeddings.ReindexReport, error)

func withReindex(f reindexFunc) func(*server.Config) {
	return func(c *server.Config) { c.Reindex = f }
}

func TestAMoveTellsHowFarItHasCome(t *testing.T) {
	var got embeddings.ReindexOptions
	h := newHost(withReindex(func(_ context.Context, options embeddings.ReindexOptions, progress func(done, total int)) (*embeddings.ReindexReport, error) {
		got = options
		for done := 256; done <= 1024; done += 256 {
			progress(done, 1024)
		}
		return &embeddings.ReindexReport{Embedded: 1024, Truncated: 2, Deleted: 1000}, nil
	}))
	address := httptest.NewServer(h.handler)
	defer address.Close()
	for _, test := range []struct {
		body string
		want embeddings.ReindexOptions
	}{{"", embeddings.ReindexOptions{}}, {`{}`, embeddings.ReindexOptions{}}, {`{"keep_old":true}`, embeddings.ReindexOptions{KeepOld: true}}} {
		response, err := http.Post(address.URL+"/api/embeddings/reindex", "application/json", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(response.Status, response.Header)
		}
		events := readEvents(t, response.Body, nil)
		last := events[len(events)-1]
		if last.name != "done" || last.data["embedded"] != 1024.0 || last.data["truncated"] != 2.0 || last.data["deleted"] != 1000.0 || got != test.want {
			t.Errorf("%q: %v, options %+v", test.body, events, got)
		}
		before := 0.0
		for _, event := range events[:len(events)-1] {
			if done := event.data["done"].(float64); event.name != "progress" || done <= before || event.data["total"] != 1024.0 {
				t.Errorf("%v", events)
			}
			before = event.data["done"].(float64)
		}
	}
}

func TestWhatIsNoMoveIsRefused(t *testing.T) {
	h := newHost(withReindex(func(context.Context, embeddings.ReindexOptions, func(int, int)) (*embeddings.ReindexReport, error) {
		t.Error("it was done")
		return nil, nil
	}))
	isProblem(t, h.post("/api/embeddings/reindex", `{"keep": true}`), 400, `unknown field "keep"; expected "keep_old"`)
	isProblem(t, h.post("/api/embeddings/reindex", `{"keep_old": "true"}`), 400, "keep_old is a string; expected a boolean")
	isProblem(t, h.post("/api/embeddings/reindex?keep_old=true", ""), 400, "keep_old")
	isProblem(t, newHost().post("/api/embeddings/reindex", ""), 501, "over HTTP")
	isProblem(t, newHost(func(c *server.Config) { c.Store = nil }).post("/api/embeddings/reindex", ""), 503, "no store")
}

func TestAMoveThatFailsSaysSoAndKeepsItsReasonToItself(t *testing.T) {
	for name, f := range map[string]reindexFunc{
		"error": func(context.Context, embeddings.ReindexOptions, func(int, int)) (*embeddings.ReindexReport, error) {
			return nil, fmt.Errorf("/secret/path: %w", embeddings.ErrStore)
		},
		"panic": func(context.Context, embeddings.ReindexOptions, func(int, int)) (*embeddings.ReindexReport, error) {
			panic("/secret/path")
		},
	} {
		h := newHost(withReindex(f))
		events := readEvents(t, h.post("/api/embeddings/reindex", "").Body, nil)
		if len(events) != 1 || events[0].name != "error" || events[0].data["status"] != 500.0 || strings.Contains(fmt.Sprint(events), "secret") {
			t.Errorf("%s: %v", name, events)
		}
		if !strings.Contains(h.log.String(), "/secret/path") {
			t.Errorf("%s: the reason is not in the log", name)
		}
	}
}

func TestOneMoveAtATimeAndWhoHangsUpEndsIt(t *testing.T) {
	ended := make(chan error, 1000)
	h := newHost(withReindex(func(ctx context.Context, _ embeddings.ReindexOptions, progress func(done, total int)) (*embeddings.ReindexReport, error) {
		progress(1, 2)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
	}), func(c *server.Config) { c.Limits.InFlight, c.Limits.Queue = 1, -1 })
	address := httptest.NewServer(h.handler)
	defer address.Close()
	for range 2 { // also after one that has ended
		ctx, hangUp := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.URL+"/api/embeddings/reindex", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		readEvents(t, response.Body, func(event) bool { return true })

		second, err := http.Post(address.URL+"/api/embeddings/reindex", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(second.Body)
		second.Body.Close()
		if second.StatusCode != 409 || !strings.Contains(string(text), "urn:qntx-embed:problem:already-running") {
			t.Errorf("%d %s", second.StatusCode, text)
		}
		// It takes nobody's place.
		if answer := h.get("/api/search/semantic?q=x"); answer.Code != 200 {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		hangUp()
		select {
		case cause := <-ended:
			if !errors.Is(cause, context.Canceled) {
				t.Error(cause)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on")
		}
		response.Body.Close()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the handler returns a moment later
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			recorder := httptest.NewRecorder()
			h.handler.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/embeddings/reindex", nil))
			if recorder.Code != 409 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nobody can begin another one")
			}
		}
		for len(ended) > 0 {
			<-ended
		}
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("%s", h.log)
	}
}

func TestOnlyWhoMayWriteMayMove(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Keys = server.NewKeys(nil) })
	isProblem(t, h.post("/api/embeddings/reindex", ""), 401, "a key is needed")
}

func TestChunksNeedAModelAndAStoreThatHaveThem(t *testing.T) {
	h := newHost()
	const items = `"items": [{"source_type": "a", "source_id": "1", "text": "x"}]`
	isProblem(t, h.post("/api/embeddings/batch", `{"chunk": {"max_tokens": 8}, `+items+`}`), 501, "chunk: this server's store")
	for body, detail := range map[string]string{
		`{"chunk": 8, ` + items + `}`:                  "chunk is a number; expected an object",
		`{"chunk": {"tokens": 8}, ` + items + `}`:      `unknown field "tokens"; expected "max_tokens" or "overlap"`,
		`{"chunk": {"max_tokens": 0}, ` + items + `}`:  `chunk.max_tokens is "0"; expected an integer of 1 or more`,
		`{"chunk": {"overlap": 1.5}, ` + items + `}`:   `chunk.overlap is "1.5"`,
		`{"chunk": {"overlap": "1"}, ` + items + `}`:   "chunk.overlap is a string; expected a number",
		`{"chunk": {"overlap": null}, ` + items + `}`:  "chunk.overlap is null; expected a number",
		`{"chunk": {"max_tokens": 33}, ` + items + `}`: "chunk.max_tokens is 33; the model takes at most 32",
		`{"chunk": {"overlap": 32}, ` + items + `}`:    "chunk.overlap is 32; expected less than the 32 tokens of a chunk",
		`{"chunk": {}, "chunk": {}, ` + items + `}`:    `field "chunk" comes twice`,
		`{"chunk": {"max_tokens": -1}, ` + items + `}`: `chunk.max_tokens is "-1"`,
	} {
		isProblem(t, h.post("/api/embeddings/batch", body), 400, detail)
	}
	for query, detail := range map[string]string{
		"chunk=8":       "chunk is a number; expected an object",
		"chunk=%7B":     `parameter "chunk": not valid JSON`,
		"chunk=":        `parameter "chunk" is empty`,
		"chunks=%7B%7D": `unknown parameter "chunks"; expected "answers" or "chunk"`,
	} {
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, streamRequest(t.Context(), "/api/embeddings/batch?"+query, strings.NewReader("")))
		isProblem(t, recorder, 400, detail)
	}
	// Of a body that is answered whole it is a field, not a parameter.
	isProblem(t, h.post("/api/embeddings/batch?chunk=%7B%7D", "{"+items+"}"), 400, `unknown parameter "chunk"`)
}
