// Package weaviate keeps embeddings in a Weaviate cluster, behind the same interface as the SQLite file: for what has
// outgrown one file, or must go on when a machine does not.
//
//	store, err := weaviate.Open("weaviate://db1:8080,db2:8080,db3:8080?shards=6&replicas=3")
//	...
//	defer store.Close()
//
// It needs no native library. Each model has a collection of its own, made with its first row. The engine's id of a row
// is a UUIDv5 of its source, chunk and fingerprint, so that a write that is repeated changes nothing.
//
// # What is not as in a file
//
// The engine has no transactions. Put checks all records before it writes the first one, writes in batches and repeats
// what fails; if it cannot be finished, the error says so, some of the records may be there, and the same Put again
// completes it. The same holds for the deletions. Two clients that put one row at once leave that of the one or the
// other.
//
// Writes return when as many replicas have them as the level says, and so do reads by source, chunk and fingerprint
// (Put, Has) and by an id that the store has made. What a filter, a word or a vector finds, lists and counts is what
// one replica of each shard has: with the level QUORUM it can, for a moment, lack what was written just now, or what
// its node has missed while it was away, until the engine has brought it there. With write=all every replica has a row
// when Put returns.
//
// Searches by vector are approximate (HNSW), with the settings of the URL; recall is measured in docs/scale.md.
// Distances are computed from the rows, and so exact. Orders by words are the engine's BM25: words are split at all
// that is neither letter nor digit, accents count, and how rare a word is, is counted in a shard, with rows that a
// filter leaves out. Both orders are fused, and diversity is chosen, in this package, as docs/search.md defines them:
// the engine's own fusion has neither ranks nor constants.
//
// A search sees at most 10,000 rows, groups and pages before After counted; where more is needed it is refused with
// errors.ErrUnsupported, and so are vectors of two sizes by one model.
package weaviate

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	client "github.com/weaviate/weaviate-go-client/v5/weaviate"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// Store is a Weaviate cluster. Any number of goroutines, processes and machines may use it at once.
type Store struct {
	settings  settings
	client    *client.Client
	transport *http.Transport

	mu          sync.Mutex
	collections map[string]*collection // by fingerprint: those that were there when they were asked for last
	closed      bool
}

var (
	_ embeddings.Store       = (*Store)(nil)
	_ embeddings.SourceStore = (*Store)(nil)
)

// Open makes a store of a URL: weaviate://HOST:PORT,HOST:PORT, or weaviates:// with TLS; the ports are those of HTTP.
// Requests go to one host; where that does not answer, to the next. What can follow after a ?, with & between:
//
//	shards=1 replicas=3      of the collections that are made; what is there stays as it is
//	read=quorum write=quorum how many replicas must answer: one, quorum, all
//	ef=256 construction=128 connections=32 quantisation=none
//	                         of the vector indexes that are made; none, sq, bq or rq
//	prefix=QntxEmbed         what names of collections begin with: several stores in one cluster
//	attempt=10s              after which the next host is asked
//	patience=30s             for how long a call is tried again before it is an ErrStoreUnavailable
//
// It does not connect: the first call does.
func Open(url string, options ...Option) (*Store, error) {
	settings, err := parse(url)
	if err != nil {
		return nil, err
	}
	for _, option := range options {
		if err := option(&settings); err != nil {
			return nil, err
		}
	}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     settings.tls,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     90 * time.Second,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1: a stalled node stalls one request only
	}
	config := client.Config{
		Scheme:           "http",
		Host:             settings.hosts[0],
		ConnectionClient: &http.Client{Transport: newHosts(transport, settings.hosts, settings.attempt)},
		Headers:          map[string]string{},
	}
	if settings.tls != nil {
		config.Scheme = "https"
	}
	if settings.apiKey != "" {
		config.Headers["Authorization"] = "Bearer " + settings.apiKey
	}
	made, err := client.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &Store{settings: settings, client: made, transport: transport, collections: map[string]*collection{}}, nil
}

// Close lets the connections go. Later calls give ErrClosed; a second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.transport.CloseIdleConnections()
	return nil
}

// usable is nil while the store is open and ctx is not done.
func (s *Store) usable(ctx context.Context) error {
	if err := store.Cancelled(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return embeddings.ErrClosed
	}
	return nil
}
