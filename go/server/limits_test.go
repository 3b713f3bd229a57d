package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

// slow is a model that embeds when it is told to.
type slow struct {
	embedtest.Service
	entered chan struct{}
	release chan struct{}
}

func newSlow() *slow { return &slow{entered: make(chan struct{}, 100), release: make(chan struct{})} }

func (s *slow) Embed(ctx context.Context, text string, opts ...embeddings.EmbedOption) (*embeddings.EmbeddingResult, error) {
	s.entered <- struct{}{}
	select {
	case <-s.release:
		return s.Service.Embed(ctx, text, opts...)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}

// noBody fails the test when somebody reads it.
type noBody struct{ t *testing.T }

func (b noBody) Read([]byte) (int, error) {
	b.t.Error("a body was read before admission")
	return 0, io.EOF
}

func TestPastTheQueueARequestIsA429AndItsBodyIsNotRead(t *testing.T) {
	model := newSlow()
	h := newHost(func(c *server.Config) {
		c.Service, c.Limits.InFlight, c.Limits.Queue = model, 1, 1
	})
	var running sync.WaitGroup
	generate := func() {
		running.Add(1)
		go func() {
			defer running.Done()
			if answer := h.post("/api/embeddings/generate", `{"text":"a"}`); answer.Code != 200 {
				t.Error(answer.Code, answer.Body)
			}
		}()
	}
	generate()
	<-model.entered
	generate()
	eventually(t, "one waits", func() bool { return strings.Contains(h.get("/metrics").Body.String(), "qntx_embed_http_queue 1") })

	request := httptest.NewRequest(http.MethodPost, "/api/embeddings/generate", noBody{t})
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	if recorder.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", recorder.Header().Get("Retry-After"))
	}
	isProblem(t, recorder, 429, "1 requests are being answered and 1 wait")
	isOpenAIError(t, h.post("/v1/embeddings", `{"input":"a","model":"fake"}`), 429, "overloaded", "1 wait")
	if answer := h.get("/livez"); answer.Code != 200 {
		t.Errorf("/livez: %d", answer.Code)
	}
	close(model.release)
	running.Wait()
}

func TestABodyThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.BodyBytes = 100 })
	request := httptest.NewRequest(http.MethodPost, "/api/embeddings/generate", noBody{t})
	request.ContentLength = 101
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	isProblem(t, recorder, 413, "100 bytes")
}

func TestATextHasALimitInCharacters(t *testing.T) {
	h := newHost()
	text := strings.Repeat("ä", 8000) // 250 for each of 32 tokens
	if answer := h.post("/api/embeddings/generate", `{"text":"`+text+`"}`); answer.Code != 200 {
		t.Fatal(answer.Code, answer.Body)
	}
	isProblem(t, h.post("/api/embeddings/generate", `{"text":"`+text+`x"}`), 413, "text has 8001 characters; expected at most 8000")
	isProblem(t, h.get("/api/search/semantic?q="+strings.Repeat("q", 8001)), 413, `parameter "q" has 8001 characters`)
	isProblem(t, h.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"b","text":"`+text+`x"}]}`), 413, "items[0].text")
}

func TestARequestThatTakesTooLongIsCancelled(t *testing.T) {
	model := newSlow()
	h := newHost(func(c *server.Config) {
		c.Service, c.Limits.RequestTime = model, 20*time.Millisecond
	})
	answer := h.post("/api/embeddings/generate", `{"text":"a"}`)
	if answer.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	isProblem(t, answer, 503, "longer than this server allows")
}

// listen serves a handler over real HTTP.
func (h *host) listen(t *testing.T) string {
	t.Helper()
	listener := httptest.NewServer(h.handler)
	t.Cleanup(listener.Close)
	return listener.URL
}

func TestAClientThatHangsUpCancelsItsWork(t *testing.T) {
	model := newSlow()
	h := newHost(func(c *server.Config) { c.Service = model })
	address := h.listen(t)
	ctx, hangUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/search/semantic?q=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-model.entered
		hangUp()
	}()
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	eventually(t, "the request is counted as one whose client has gone", func() bool {
		metrics := h.get("/metrics").Body.String()
		return strings.Contains(metrics, `qntx_embed_http_requests_total{method="GET",route="/api/search/semantic",status="499"} 1`)
	})
}

func TestABodyThatDoesNotComeIsA408(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Limits.BodyTime = 50 * time.Millisecond })
	address := strings.TrimPrefix(h.listen(t), "http://")
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /api/embeddings/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil || response.StatusCode != 408 {
		t.Fatalf("%v, error %v", response, err)
	}
}

func TestABodysDeadlineDoesNotEndItsAnswer(t *testing.T) {
	model := newSlow()
	h := newHost(func(c *server.Config) {
		c.Service, c.Limits.BodyTime = model, 50*time.Millisecond
	})
	address := h.listen(t)
	time.AfterFunc(200*time.Millisecond, func() { close(model.release) })
	response, err := http.Post(address+"/api/embeddings/generate", "application/json", strings.NewReader(`{"text":"a"}`))
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%v, error %v", response, err)
	}
	response.Body.Close()
}

// crashing panics, before or after its answer has begun.
type crashing struct{ embedtest.Service }

func (*crashing) Embed(context.Context, string, ...embeddings.EmbedOption) (*embeddings.EmbeddingResult, error) {
	panic("confidential")
}

func TestAPanicIsA500WithAnID(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Service = new(crashing) })
	request := httptest.NewRequest(http.MethodGet, "/api/search/semantic?q=a", nil)
	request.Header.Set("X-Request-Id", "trace-17")
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	if recorder.Header().Get("X-Request-Id") != "trace-17" || strings.Contains(recorder.Body.String(), "confidential") {
		t.Errorf("%v %s", recorder.Header(), recorder.Body)
	}
	isProblem(t, recorder, 500, "in the server's log")
	log := h.log.String()
	if !strings.Contains(log, "level=ERROR msg=panic id=trace-17") || !strings.Contains(log, "limits_test.go") ||
		!strings.Contains(log, "msg=request id=trace-17") || !strings.Contains(log, "status=500") {
		t.Error(log)
	}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 65), "\"><"} {
		request.Header.Set("X-Request-Id", bad)
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		if id := recorder.Header().Get("X-Request-Id"); id == bad || len(id) < 20 {
			t.Errorf("%q became %q", bad, id)
		}
	}
}

func TestARateIsOfTokensForEachCaller(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Rate = server.Rate{TokensPerMinute: 60, Burst: 10} })
	from := func(address, path, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.RemoteAddr = address
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		return recorder
	}
	const text = `{"text":"one two three four five six seven eight nine ten"}` // 12 tokens
	answer := from("192.0.2.1:1000", "/api/embeddings/generate", text)
	if answer.Code != 200 || answer.Header().Get("RateLimit-Policy") != `"tokens";q=10;w=10` {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	if got := answer.Header().Get("RateLimit"); got != `"tokens";r=0;t=12` {
		t.Errorf("RateLimit: %s", got)
	}
	answer = from("192.0.2.1:2000", "/api/embeddings/generate", text)
	if wait, err := strconv.Atoi(answer.Header().Get("Retry-After")); err != nil || wait < 2 || wait > 3 {
		t.Errorf("Retry-After: %q", answer.Header().Get("Retry-After"))
	}
	isProblem(t, answer, 429, "the 60 tokens a minute")
	isOpenAIError(t, from("192.0.2.1:3000", "/v1/embeddings", `{"input":"a","model":"fake"}`), 429, "rate_limited", "tokens")
	if answer := from("192.0.2.2:1000", "/api/embeddings/generate", text); answer.Code != 200 {
		t.Errorf("another address: %d", answer.Code)
	}
	// A network of IPv6 is one caller.
	if answer := from("[2001:db8::1]:1", "/api/embeddings/generate", text); answer.Code != 200 {
		t.Error(answer.Code)
	}
	if answer := from("[2001:db8::2]:1", "/api/embeddings/generate", text); answer.Code != 429 {
		t.Error(answer.Code)
	}
}

func TestWhoHangsUpPaysToo(t *testing.T) {
	model := newSlow()
	h := newHost(func(c *server.Config) {
		c.Service, c.Rate = model, server.Rate{TokensPerMinute: 60, Burst: 10}
	})
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-model.entered
		hangUp()
	}()
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/search/semantic?q="+strings.Repeat("word+", 20), nil)
	h.handler.ServeHTTP(httptest.NewRecorder(), request)
	isProblem(t, h.get("/api/search/semantic?q=a"), 429, "tokens")
}
