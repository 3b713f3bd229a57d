package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// metrics are what GET /metrics answers.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	texts     prometheus.Counter
	tokens    prometheus.Counter
	batch     prometheus.Histogram
	inference prometheus.Histogram
	search    prometheus.Histogram
}

var (
	// From half a millisecond, a short text, to two minutes, the longest request.
	buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}
	// From a word to a full request of long texts.
	tokenBuckets = prometheus.ExponentialBuckets(4, 4, 10)
)

func newMetrics(s *server) *metrics {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "qntx_embed_http_requests_total",
			Help: "Requests by route, method and status; 499 is a client that has gone.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "qntx_embed_http_request_seconds", Help: "How long requests took, by route.", Buckets: buckets,
		}, []string{"route"}),
		texts:     counter("qntx_embed_texts_total", "Texts embedded."),
		tokens:    counter("qntx_embed_tokens_total", "Tokens of the texts embedded."),
		batch:     histogram("qntx_embed_batch_tokens", "Tokens for each call of the model.", tokenBuckets),
		inference: histogram("qntx_embed_inference_seconds", "How long calls of the model took, waiting included.", buckets),
		search:    histogram("qntx_embed_search_seconds", "How long searches in the store took.", buckets),
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	m.registry.MustRegister(m.requests, m.seconds, m.texts, m.tokens, m.batch, m.inference, m.search,
		gauge("qntx_embed_http_in_flight", "Requests that are being answered.", func() int { return len(s.admission.places) }),
		gauge("qntx_embed_http_queue", "Requests that wait for their turn.", func() int { return int(s.admission.waiting.Load()) }),
		&stateCollector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// methods are those that count by their name; a client can make up any other.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}

func (m *metrics) answered(route, method string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) embedded(texts, tokens int, took time.Duration) {
	m.texts.Add(float64(texts))
	m.tokens.Add(float64(tokens))
	m.batch.Observe(float64(tokens))
	m.inference.Observe(took.Seconds())
}

// cached is a service that has a cache, such as [embeddings.ManagedEmbeddingService].
type cached interface {
	CacheStats(ctx context.Context) (*embeddings.CacheStats, error)
}

// stateCollector asks the model and the store when the metrics are read. What cannot be had is left out.
type stateCollector struct{ s *server }

var (
	modelDesc = prometheus.NewDesc("qntx_embed_model_info", "The model; always 1.",
		[]string{"name", "fingerprint", "precision", "onnxruntime"}, nil)
	rowsDesc    = prometheus.NewDesc("qntx_embed_rows", "Rows in the store.", nil, nil)
	hitsDesc    = prometheus.NewDesc("qntx_embed_cache_hits_total", "Texts whose vector was in the cache.", nil, nil)
	missesDesc  = prometheus.NewDesc("qntx_embed_cache_misses_total", "Texts whose vector was not.", nil, nil)
	entriesDesc = prometheus.NewDesc("qntx_embed_cache_entries", "Vectors in the cache.", nil, nil)
	bytesDesc   = prometheus.NewDesc("qntx_embed_cache_bytes", "What the cache takes.", nil, nil)
)

// Describe gives all that Collect may give.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{modelDesc, rowsDesc, hitsDesc, missesDesc, entriesDesc, bytesDesc} {
		descs <- desc
	}
}

// Collect asks.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	model, err := c.s.config.Service.ModelInfo(ctx)
	if err != nil {
		return
	}
	gauge(modelDesc, prometheus.GaugeValue, 1, model.Name, model.Fingerprint, model.Precision.String(), model.ONNXRuntime)
	if c.s.store != nil {
		if rows, err := c.s.store.Count(ctx, embeddings.Selection{}); err == nil {
			gauge(rowsDesc, prometheus.GaugeValue, float64(rows))
		}
	}
	if service, ok := c.s.config.Service.(cached); ok {
		if stats, err := service.CacheStats(ctx); err == nil {
			gauge(hitsDesc, prometheus.CounterValue, float64(stats.Hits))
			gauge(missesDesc, prometheus.CounterValue, float64(stats.Misses))
			gauge(entriesDesc, prometheus.GaugeValue, float64(stats.Entries))
			gauge(bytesDesc, prometheus.GaugeValue, float64(stats.Bytes))
		}
	}
}
