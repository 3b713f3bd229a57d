package main

// What is wrong: requests that are broken, clients that hang up, and clients that read slowly.

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// brokenRequest is one that must be refused with one of these.
type brokenRequest struct {
	method, path, contentType, body string
	statuses                        []int
}

var brokenRequests = []brokenRequest{
	{"GET", "/api/search/semantic", "", "", []int{400}},
	{"GET", "/api/search/semantic?q=x&limit=1e9", "", "", []int{400}},
	{"GET", "/api/search/semantic?q=%ff", "", "", []int{400}},
	{"GET", "/api/search/semantic?q=x&filter=%5B%22or%22", "", "", []int{400}},
	{"GET", "/api/embeddings/rows/no-such-row", "", "", []int{404}},
	{"GET", "/no/such/route", "", "", []int{404}},
	{"DELETE", "/api/embeddings/rows", "", "", []int{400}},
	{"PATCH", "/api/embeddings/batch", "application/json", "{}", []int{405}},
	{"POST", "/api/embeddings/generate", "text/plain", "a cat", []int{415}},
	{"POST", "/api/embeddings/generate", "application/json", `{"text": "a cat", "text": "a dog"}`, []int{400}},
	{"POST", "/api/embeddings/generate", "application/json", `{"text": "` + "\xff" + `"}`, []int{400}},
	{"POST", "/api/embeddings/generate", "application/json", strings.Repeat("[", 20_000), []int{400}},
	{"POST", "/api/embeddings/batch", "application/json", `{"items": [{"source_type": 1}]}`, []int{400}},
	{"POST", "/v1/embeddings", "application/json", `{"model": "another", "input": "x"}`, []int{404}},
	{"POST", "/v1/embeddings", "application/json", `{"model": "all-MiniLM-L6-v2", "input": [1, 2, 3]}`, []int{400}},
	{"POST", "/v1/embeddings", "application/json", `{"model": "all-MiniLM-L6-v2", "input": "` + strings.Repeat("x", 2_100_000) + `"}`, []int{413}},
	{"PUT", "/api/embeddings/sources/soak/%20", "application/json", `{"text": "x"}`, []int{400}},
}

// sendBroken sends one that is well-formed HTTP, or bytes that are not.
func (c *client) sendBroken(ctx context.Context, address string) {
	n := c.random.IntN(len(brokenRequests) + 3)
	if n >= len(brokenRequests) {
		c.sendGarbage(address, n-len(brokenRequests))
		return
	}
	b := brokenRequests[n]
	request, err := http.NewRequest(b.method, address+b.path, strings.NewReader(b.body))
	if err != nil {
		panic(err)
	}
	if b.contentType != "" {
		request.Header.Set("Content-Type", b.contentType)
	}
	response, err := c.client.Do(request)
	if err != nil {
		// A body that is refused before it is read may end in a connection that is closed while we send.
		if ctx.Err() == nil && len(b.body) < 1_000_000 {
			c.complain("broken %s %s: %v", b.method, b.path, err)
		}
		return
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	c.count("broken", response.StatusCode)
	for _, status := range append(b.statuses, http.StatusTooManyRequests, http.StatusServiceUnavailable) {
		if response.StatusCode == status {
			return
		}
	}
	c.complain("broken %s %s: %s: %.300s", b.method, b.path, response.Status, answer)
}

// sendGarbage speaks no HTTP, or leaves in the middle of it.
func (c *client) sendGarbage(address string, kind int) {
	connection, err := net.DialTimeout("tcp", host(address), 5*time.Second)
	if err != nil {
		return
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	switch kind {
	case 0:
		fmt.Fprintf(connection, "\x16\x03\x01 this is no HTTP\r\n\r\n")
		_, _ = bufio.NewReader(connection).ReadString('\n')
	case 1: // fewer bytes than were said
		fmt.Fprintf(connection, "POST /api/embeddings/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"te")
	case 2: // a stream that ends in a chunk
		fmt.Fprintf(connection, "POST /api/embeddings/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"ff\r\n{\"source_type\":\"lost\",")
	}
	c.count("garbage", kind)
}

// hangUp sends what takes a while, and does not wait for it. Its sources are nobody's.
func (c *client) hangUp(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.random.IntN(30))*time.Millisecond)
	defer cancel()
	var texts []string
	for range 1 + c.random.IntN(40) {
		texts = append(texts, sentence(c.random))
	}
	method, path, body := http.MethodPost, "/v1/embeddings", object("model", "all-MiniLM-L6-v2", "input", texts)
	switch c.random.IntN(3) {
	case 0:
		method, path, body = http.MethodGet, "/api/search/semantic?q="+url.QueryEscape(texts[0]), ""
	case 1:
		method, path, body = http.MethodPut, "/api/embeddings/sources/lost/1", object("text", texts[0])
	}
	request, err := http.NewRequestWithContext(ctx, method, address+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.count("hung up", 0)
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	c.count("hung up", response.StatusCode)
}

// readSlowly asks for much, and takes some bytes of it now and then; or sends a body as slowly.
func (l *load) readSlowly(ctx context.Context, address string, number int) {
	for ctx.Err() == nil {
		connection, err := net.DialTimeout("tcp", host(address), 5*time.Second)
		if err != nil {
			return
		}
		_ = connection.(*net.TCPConn).SetReadBuffer(4096)
		sending := number%2 == 1
		if sending {
			fmt.Fprintf(connection, "POST /api/embeddings/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
		} else {
			fmt.Fprintf(connection, "GET /api/embeddings/rows?limit=1000&vectors=true HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		buffer := make([]byte, 256)
		for moment := time.Now(); ctx.Err() == nil && time.Since(moment) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			_ = connection.SetDeadline(time.Now().Add(time.Second))
			if sending {
				_, err = connection.Write([]byte(" "))
			} else {
				_, err = connection.Read(buffer)
			}
			if err != nil {
				break
			}
		}
		connection.Close()
		l.count("slow", 0)
	}
}

func host(address string) string { return strings.TrimPrefix(address, "http://") }
