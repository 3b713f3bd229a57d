package main

// The load: clients that each do one thing after another, chosen at random.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	sourcesPerClient = 8
	rows             = 4000 // that stay as they are, for searches to go through
	slowReaders      = 8
	maxComplaints    = 10
)

type load struct {
	clients []*client
	client  *http.Client // keeps connections

	mu         sync.Mutex
	answers    map[string]int
	searches   []time.Duration
	complaints []string
}

// client is one of those at once.
type client struct {
	*load
	random  *rand.Rand
	sources []source
	written int
}

func newLoad(connections int) *load {
	l := &load{answers: map[string]int{}}
	l.client = &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: 0, DisableCompression: true},
	}
	for i := range connections {
		c := &client{load: l, random: rand.New(rand.NewPCG(7, uint64(i)))}
		for n := range sourcesPerClient {
			c.sources = append(c.sources, source{id: fmt.Sprintf("%d-%d", i, n)})
		}
		l.clients = append(l.clients, c)
	}
	return l
}

// fill stores what searches go through, and every source that clients will write, as one stream of lines: the load only changes rows
// then, so that memory that grows with them is not taken for a leak.
func (l *load) fill(address string) error {
	var lines bytes.Buffer
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		fmt.Fprintf(&lines, `{"source_type":"filling","source_id":"%d","text":%q}`+"\n", i, sentence(random))
	}
	total := rows
	for _, c := range l.clients {
		for i := range c.sources {
			s := &c.sources[i]
			text := fmt.Sprintf("version 0 of %s: %s", s.id, sentence(random))
			s.try(text)
			fmt.Fprintf(&lines, `{"source_type":"soak","source_id":%q,"text":%q}`+"\n", s.id, text)
			total++
		}
	}
	response, err := (&http.Client{}).Post(address+"/api/embeddings/batch?answers=failed", "application/x-ndjson", &lines)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Contains(answer, fmt.Appendf(nil, `"done":true,"processed":%d`, total)) {
		return fmt.Errorf("filling: %s, %v: %s", response.Status, err, answer)
	}
	for _, c := range l.clients {
		for i := range c.sources {
			c.sources[i].done(c.sources[i].possible[0])
		}
	}
	return nil
}

// verify asks for every source.
func (l *load) verify(address string) error {
	there, changed := 0, 0
	for _, c := range l.clients {
		for i := range c.sources {
			s := &c.sources[i]
			if s.acknowledged != "" {
				there++
			}
			if !strings.HasPrefix(s.acknowledged, "version 0 ") {
				changed++
			}
			if err := s.check(l.client, address); err != nil {
				return fmt.Errorf("after kill -9: %w", err)
			}
		}
	}
	if changed == 0 {
		return errors.New("no write was acknowledged before kill -9: the load is too heavy, or too short")
	}
	fmt.Printf("  after kill -9 all is as it was acknowledged: %d sources changed or deleted under load, %d there\n", changed, there)
	return nil
}

// run loads until ctx is done. Then atEnd is called, while all is under way, and run waits for the clients.
func (l *load) run(ctx context.Context, address string, atEnd func()) {
	var clients sync.WaitGroup
	for _, c := range l.clients {
		clients.Go(func() {
			for ctx.Err() == nil {
				c.step(ctx, address)
			}
		})
	}
	for i := range slowReaders {
		clients.Go(func() { l.readSlowly(ctx, address, i) })
	}
	<-ctx.Done()
	atEnd()
	clients.Wait()
	l.client.CloseIdleConnections()
}

// step does one thing.
func (c *client) step(ctx context.Context, address string) {
	switch n := c.random.IntN(100); {
	case n < 10:
		c.sendBroken(ctx, address)
	case n < 15:
		c.hangUp(address)
	case n < 55:
		start := time.Now()
		query := url.Values{"q": {sentence(c.random)}, "limit": {"5"}}
		if c.random.IntN(3) == 0 {
			query.Set("mode", "hybrid")
			query.Set("filter", `["=", "source_type", "filling"]`)
		}
		if c.good(ctx, "search", http.MethodGet, address+"/api/search/semantic?"+query.Encode(), "") == http.StatusOK {
			c.mu.Lock()
			c.searches = append(c.searches, time.Since(start))
			c.mu.Unlock()
		}
	case n < 65:
		c.good(ctx, "generate", http.MethodPost, address+"/api/embeddings/generate", object("text", sentence(c.random)))
	case n < 75:
		c.good(ctx, "openai", http.MethodPost, address+"/v1/embeddings",
			object("model", "all-MiniLM-L6-v2", "input", []string{sentence(c.random), sentence(c.random)}))
	case n < 90:
		c.write(ctx, address)
	case n < 95:
		c.good(ctx, "rows", http.MethodGet, address+"/api/embeddings/rows?limit=20", "")
	default:
		c.good(ctx, "info", http.MethodGet, address+"/api/embeddings/info", "")
	}
}

// write puts or deletes one of the client's own sources, and keeps the ledger.
func (c *client) write(ctx context.Context, address string) {
	s := &c.sources[c.random.IntN(len(c.sources))]
	c.written++
	text := fmt.Sprintf("version %d of %s: %s", c.written, s.id, sentence(c.random))
	var status int
	switch path := address + "/api/embeddings/sources/soak/" + s.id; c.random.IntN(5) {
	case 0:
		text = ""
		s.try(text)
		status = c.good(ctx, "delete", http.MethodDelete, path, "", http.StatusNotFound)
	case 1:
		s.try(text)
		status = c.good(ctx, "batch", http.MethodPost, address+"/api/embeddings/batch",
			object("items", []map[string]string{{"source_type": "soak", "source_id": s.id, "text": text}}))
	default:
		s.try(text)
		status = c.good(ctx, "put", http.MethodPut, path, object("text", text))
	}
	switch {
	case status == http.StatusOK, status == http.StatusNotFound && text == "":
		s.done(text)
	case status >= 400 && status < 500:
		s.refused()
	}
}

// good sends a request that must be answered 200, or another status named, or with what a server in distress may say: a 429, or
// a 503 that says why. It gives the status, 0 for none.
func (c *client) good(ctx context.Context, what, method, address, body string, also ...int) int {
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err != nil {
		if ctx.Err() == nil { // not the kill
			c.complain("%s: %v", what, err)
		}
		return 0
	}
	c.count(what, response.StatusCode)
	deliberate := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusServiceUnavailable && bytes.Contains(answer, []byte(`urn:qntx-embed:problem:`))
	if response.StatusCode != http.StatusOK && !deliberate && !slices.Contains(also, response.StatusCode) {
		c.complain("%s: %s: %.300s", what, response.Status, answer)
	}
	if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "" {
		c.complain("%s: a 429 without Retry-After", what)
	}
	return response.StatusCode
}

func (l *load) count(what string, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[fmt.Sprintf("%s %d", what, status)]++
}

func (l *load) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complaints = append(l.complaints, fmt.Sprintf(format, args...))
}

// report prints what was seen, and fails where that is not as it must be.
func (l *load) report(duration time.Duration) error {
	total := 0
	for _, what := range slices.Sorted(maps.Keys(l.answers)) {
		fmt.Printf("  %-14s %d\n", what, l.answers[what])
		total += l.answers[what]
	}
	slices.Sort(l.searches)
	if len(l.searches) == 0 {
		return errors.New("no search was answered")
	}
	at := func(share float64) time.Duration {
		return l.searches[int(share*float64(len(l.searches)-1))].Round(time.Millisecond)
	}
	fmt.Printf("  %d answers in %v; search under load: p50 %v, p99 %v\n", total, duration, at(.5), at(.99))
	if len(l.complaints) > 0 {
		return fmt.Errorf("%d answers were not as they must be:\n%s", len(l.complaints),
			strings.Join(l.complaints[:min(len(l.complaints), maxComplaints)], "\n"))
	}
	return nil
}

var words = strings.Fields(`pump valve motor bearing pressure the a of red green button stop start night shift report
	water oil temperature is are was rises falls because after before when operator hall panel train ticket bread winter garden`)

func sentence(random *rand.Rand) string {
	chosen := make([]string, 4+random.IntN(16))
	for i := range chosen {
		chosen[i] = words[random.IntN(len(words))]
	}
	return strings.Join(chosen, " ")
}

// object is a JSON object of names and values.
func object(pairs ...any) string {
	fields := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i].(string)] = pairs[i+1]
	}
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(data)
}
