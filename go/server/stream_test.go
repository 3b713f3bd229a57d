package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

func itemLine(n int, text string) string {
	return fmt.Sprintf(`{"source_type":"a","source_id":"%d","text":%q}`+"\n", n, text)
}

func streamRequest(ctx context.Context, address string, body io.Reader) *http.Request {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, address, body)
	request.RequestURI = ""
	request.Header.Set("Content-Type", "application/x-ndjson")
	return request
}

// streamed reads an answer: a line for each item, and the end.
func streamed(t *testing.T, body io.Reader) (lines []server.StreamLine, end server.StreamEnd) {
	t.Helper()
	scanner := bufio.NewScanner(body)
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), `"done"`) {
			if err := json.Unmarshal(scanner.Bytes(), &end); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var line server.StreamLine
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", scanner.Text(), err)
		}
		lines = append(lines, line)
	}
	return lines, end
}

func (h *host) stream(t *testing.T, path, body string) (lines []server.StreamLine, end server.StreamEnd) {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, streamRequest(t.Context(), path, strings.NewReader(body)))
	if recorder.Code != 200 || recorder.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Fatal(recorder.Code, recorder.Body)
	}
	return streamed(t, recorder.Body)
}

func TestEachLineOfAStreamIsAnswered(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.BodyBytes, c.Clean.ControlCharacters = 200, server.ControlRemove })
	body := itemLine(1, "one") +
		"\n  \r\n" +
		itemLine(2, "two") +
		`{"source_type":"a"}` + "\n" +
		"nonsense\r\n" +
		itemLine(3, strings.Repeat("x", 300)) +
		itemLine(1, "other one") +
		`{"source_type":"a","source_id":"9","text":"be\u0007ll"}` // no line end
	lines, end := h.stream(t, "/api/embeddings/batch", body)
	var got []string
	for _, line := range lines {
		text := fmt.Sprint(line.Line, " ", line.Status)
		if line.Error != nil {
			text += " " + strings.TrimPrefix(line.Error.Type, "urn:qntx-embed:problem:")
		}
		if line.Changes != nil {
			text += " " + line.Changes.String()
		}
		got = append(got, text)
	}
	want := []string{"1 unchanged", "4 inserted", "5 failed invalid-request", "6 failed invalid-request", "7 failed line-too-long",
		"8 inserted", "9 inserted control-characters=1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q; expected %q", got, want)
	}
	if !end.Done || end.Processed != 4 || end.Failed != 3 || end.Error != nil {
		t.Errorf("%+v", end)
	}
	if !strings.Contains(lines[2].Error.Detail, "source_id is missing") {
		t.Error(lines[2].Error.Detail)
	}

	lines, end = h.stream(t, "/api/embeddings/batch?answers=failed", itemLine(1, "one")+"x\n")
	if len(lines) != 1 || lines[0].Line != 2 || end.Processed != 1 || end.Failed != 1 || !end.Done {
		t.Errorf("%+v %+v", lines, end)
	}
	if lines, end := h.stream(t, "/api/embeddings/batch", ""); lines != nil || !end.Done {
		t.Errorf("nothing: %+v %+v", lines, end)
	}
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, streamRequest(t.Context(), "/api/embeddings/batch?answers=none", strings.NewReader("")))
	isProblem(t, recorder, 400, `parameter "answers" is "none"; expected "all" or "failed"`)
}

// picky refuses a text, as a store refuses a vector.
type picky struct{ embedtest.Store }

func (s *picky) Put(ctx context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	for _, record := range records {
		switch record.Text {
		case "bad":
			return nil, fmt.Errorf("%w: bad", embeddings.ErrInvalidArgument)
		case "fire":
			return nil, fmt.Errorf("/secret/path: %w", embeddings.ErrStore)
		}
	}
	return s.Store.Put(ctx, records)
}

func TestOneBadItemDoesNotFailItsNeighbours(t *testing.T) {
	store := new(picky)
	h := newHost(func(c *server.Config) { c.Store = store })
	lines, end := h.stream(t, "/api/embeddings/batch", itemLine(1, "good")+itemLine(2, "bad")+itemLine(3, "fine"))
	if len(lines) != 3 || lines[0].Status != "inserted" || lines[1].Status != "failed" || lines[2].Status != "inserted" || !end.Done {
		t.Errorf("%+v %+v", lines, end)
	}
	// What is not the item's fault ends the stream.
	lines, end = h.stream(t, "/api/embeddings/batch", itemLine(4, "fire"))
	if len(lines) != 1 || lines[0].Status != "failed" || end.Done || end.Error == nil || end.Error.Status != 500 || strings.Contains(end.Error.Detail, "secret") {
		t.Errorf("%+v %+v", lines, end)
	}
	if !strings.Contains(h.log.String(), "/secret/path") {
		t.Error("the reason is not in the log")
	}
}

func TestAStreamIsAnsweredWhileItIsSent(t *testing.T) {
	h := newHost()
	address := h.listen(t)
	read, write := io.Pipe()
	answered := make(chan *http.Response, 1)
	go func() {
		response, err := http.DefaultClient.Do(streamRequest(t.Context(), address+"/api/embeddings/batch", read))
		if err != nil {
			t.Error(err)
		}
		answered <- response
	}()
	var lines *bufio.Scanner
	for n := range 3 {
		io.WriteString(write, itemLine(n, "text"))
		if lines == nil {
			response := <-answered
			if response == nil {
				return
			}
			defer response.Body.Close()
			lines = bufio.NewScanner(response.Body)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf(`"line":%d,"status":"inserted"`, n+1)) {
			t.Fatalf("line %d: %q, error %v", n, lines.Text(), lines.Err())
		}
	}
	write.Close()
	if !lines.Scan() || !strings.Contains(lines.Text(), `"done":true,"processed":3`) {
		t.Errorf("%q", lines.Text())
	}
}

// counting forgets what it stores, and counts.
type counting struct {
	embedtest.Store
	rows  atomic.Int64
	delay time.Duration
}

func (s *counting) Put(_ context.Context, records []embeddings.Record) ([]embeddings.Outcome, error) {
	time.Sleep(s.delay)
	s.rows.Add(int64(len(records)))
	return make([]embeddings.Outcome, len(records)), nil
}

// source writes lines without end.
type source struct {
	next    int
	limit   int
	pending []byte
	sent    atomic.Int64
}

func (s *source) Read(data []byte) (int, error) {
	if len(s.pending) == 0 {
		if s.next == s.limit {
			return 0, io.EOF
		}
		s.pending = []byte(itemLine(s.next, strings.Repeat("word ", 20)))
		s.next++
	}
	n := copy(data, s.pending)
	s.pending = s.pending[n:]
	s.sent.Add(int64(n))
	return n, nil
}

func TestAStreamOfAnyLengthTakesConstantMemory(t *testing.T) {
	store := new(counting)
	h := newHost(func(c *server.Config) { c.Store = store })
	const count = 30_000
	lines := &source{limit: count}
	response, err := http.DefaultClient.Do(streamRequest(t.Context(), h.listen(t)+"/api/embeddings/batch", lines))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var most uint64
	answers := 0
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); answers++ {
		if answers%5000 == 0 {
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			most = max(most, memory.HeapAlloc)
		}
	}
	if store.rows.Load() != count || answers != count+1 {
		t.Errorf("%d rows, %d answers", store.rows.Load(), answers)
	}
	if size := lines.sent.Load(); most > 16<<20 {
		t.Errorf("%d bytes of memory for a stream of %d", most, size)
	}
}

func TestASlowStoreSlowsTheSender(t *testing.T) {
	store := &counting{delay: 20 * time.Millisecond}
	h := newHost(func(c *server.Config) { c.Store = store })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := &source{limit: 1 << 30}
	response, err := http.DefaultClient.Do(streamRequest(ctx, h.listen(t)+"/api/embeddings/batch?answers=failed", lines))
	if err == nil {
		defer response.Body.Close()
	}
	_ = err
	time.Sleep(300 * time.Millisecond)
	// 15 batches of 256 lines of 140 bytes, and what the sockets hold.
	if sent := lines.sent.Load(); sent > 20<<20 {
		t.Errorf("%d bytes were taken in 300 ms", sent)
	}
}

func TestAStreamWhoseClientIsSilentEnds(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.BodyTime = 50 * time.Millisecond })
	read, write := io.Pipe()
	defer write.Close()
	go io.WriteString(write, itemLine(1, "text"))
	response, err := http.DefaultClient.Do(streamRequest(t.Context(), h.listen(t)+"/api/embeddings/batch", read))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines, end := streamed(t, response.Body)
	if len(lines) != 1 || lines[0].Status != "inserted" || end.Done || end.Error == nil || end.Error.Status != 408 {
		t.Errorf("%+v %+v", lines, end)
	}
}

func TestAStreamWhoseClientHangsUpEndsAndKeepsWhatItAnswered(t *testing.T) {
	h := newHost()
	ctx, hangUp := context.WithCancel(t.Context())
	read, write := io.Pipe()
	defer write.Close()
	go io.WriteString(write, itemLine(1, "text"))
	response, err := http.DefaultClient.Do(streamRequest(ctx, h.listen(t)+"/api/embeddings/batch", read))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if lines := bufio.NewScanner(response.Body); !lines.Scan() {
		t.Fatal(lines.Err())
	}
	hangUp()
	eventually(t, "the stream is over", func() bool {
		return strings.Contains(h.get("/metrics").Body.String(), "qntx_embed_http_in_flight 0")
	})
	if n, err := h.store.Count(t.Context(), embeddings.Selection{}); n != 1 || err != nil {
		t.Errorf("%d rows, error %v", n, err)
	}
}

func TestAStreamWaitsForItsRate(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Rate = server.Rate{TokensPerMinute: 60_000, Burst: 3} })
	start := time.Now()
	var body strings.Builder
	for n := range 2 * 256 { // 3 tokens each: the second batch waits for the debt of the first
		body.WriteString(itemLine(n, "text"))
	}
	_, end := h.stream(t, "/api/embeddings/batch", body.String())
	if took := time.Since(start); end.Processed != 512 || took < 700*time.Millisecond {
		t.Errorf("%+v after %v", end, took)
	}
}
