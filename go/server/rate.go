package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Rate is how many tokens each key, or each address where there are no keys, may have embedded. The zero Rate is no limit.
type Rate struct {
	// TokensPerMinute fill a caller's bucket.
	TokensPerMinute int
	// Burst is what the bucket holds; 0 is a minute's.
	Burst int
}

// maxBuckets bounds the memory for callers; past it those that are new share one bucket.
const maxBuckets = 100_000

// rates has a token bucket for each caller. How many tokens a text has is known when it is embedded; so a request is let
// in while the caller's bucket is not empty and pays what it has used, which may leave a debt. The next one waits until
// that is paid.
type rates struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	shared  *rate.Limiter
}

func newRates(config Rate) *rates {
	if config.TokensPerMinute == 0 {
		return nil
	}
	r := &rates{
		perSecond: rate.Limit(float64(config.TokensPerMinute) / 60),
		burst:     cmp.Or(config.Burst, config.TokensPerMinute),
		buckets:   map[string]*rate.Limiter{},
	}
	r.shared = rate.NewLimiter(r.perSecond, r.burst)
	return r
}

func (r *rates) bucket(caller string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.buckets[caller]; ok {
		return found
	}
	if len(r.buckets) >= maxBuckets {
		// A full bucket is what a new one would be.
		for caller, bucket := range r.buckets {
			if bucket.Tokens() >= float64(r.burst) {
				delete(r.buckets, caller)
			}
		}
	}
	if len(r.buckets) >= maxBuckets {
		return r.shared
	}
	bucket := rate.NewLimiter(r.perSecond, r.burst)
	r.buckets[caller] = bucket
	return bucket
}

// delay is how long a caller must wait until the bucket has a token.
func (r *rates) delay(caller string) time.Duration {
	if r == nil {
		return 0
	}
	missing := 1 - r.bucket(caller).Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(r.perSecond) * float64(time.Second))
}

// pay takes tokens out of a bucket, more than it has if need be.
func (r *rates) pay(caller string, tokens int) {
	bucket, now := r.bucket(caller), time.Now()
	for tokens > 0 {
		part := min(tokens, r.burst) // more at once is not taken at all
		bucket.ReserveN(now, part)
		tokens -= part
	}
}

// admit refuses a caller whose bucket is empty.
func (r *rates) admit(caller string) error {
	wait := r.delay(caller)
	if wait == 0 {
		return nil
	}
	return &retryLater{wait, &problem{http.StatusTooManyRequests, "rate-limited", fmt.Sprintf(
		"the %.0f tokens a minute that each caller may have embedded are used up; there are more in %.0f s",
		float64(r.perSecond)*60, math.Ceil(wait.Seconds()))}}
}

// tell sets the headers RateLimit and RateLimit-Policy of the IETF's draft.
func (r *rates) tell(header http.Header, caller string) {
	if r == nil {
		return
	}
	tokens := r.bucket(caller).Tokens()
	seconds := func(tokens float64) float64 { return math.Ceil(tokens / float64(r.perSecond)) }
	header.Set("RateLimit-Policy", fmt.Sprintf(`"tokens";q=%d;w=%.0f`, r.burst, seconds(float64(r.burst))))
	header.Set("RateLimit", fmt.Sprintf(`"tokens";r=%.0f;t=%.0f`, max(0, math.Floor(tokens)), seconds(float64(r.burst)-tokens)))
}

// metered is the service that the routes see: it counts what is embedded and has the caller pay.
type metered struct {
	embeddings.EmbeddingService
	rates   *rates
	metrics *metrics
}

func (m *metered) Embed(ctx context.Context, text string, opts ...embeddings.EmbedOption) (*embeddings.EmbeddingResult, error) {
	result, err := m.EmbeddingService.Embed(ctx, text, opts...)
	if err != nil {
		m.failed(ctx, text)
		return nil, err
	}
	m.done(ctx, 1, result.Tokens, result.InferenceTime)
	return result, nil
}

func (m *metered) EmbedBatch(ctx context.Context, texts []string,
	opts ...embeddings.EmbedOption) (*embeddings.BatchEmbeddingResult, error) {
	batch, err := m.EmbeddingService.EmbedBatch(ctx, texts, opts...)
	if err != nil {
		m.failed(ctx, texts...)
		return nil, err
	}
	m.done(ctx, len(texts), batch.TotalTokens, batch.InferenceTime)
	return batch, nil
}

// Split is the service's, where it has one.
func (m *metered) Split(ctx context.Context, text string, chunking embeddings.Chunking,
	opts ...embeddings.EmbedOption) ([]embeddings.Chunk, error) {
	splitter, can := m.EmbeddingService.(embeddings.ChunkingService)
	if !can {
		return nil, fmt.Errorf("chunk: this server's model does not split texts (%w)", errors.ErrUnsupported)
	}
	return splitter.Split(ctx, text, chunking, opts...)
}

func (m *metered) done(ctx context.Context, texts, tokens int, took time.Duration) {
	m.metrics.embedded(texts, tokens, took)
	if m.rates != nil {
		m.rates.pay(callOf(ctx).caller, tokens)
	}
}

// failed has those pay who hang up, by an estimate: otherwise their work would cost nothing.
func (m *metered) failed(ctx context.Context, texts ...string) {
	if m.rates == nil || ctx.Err() == nil {
		return
	}
	tokens := 0
	for _, text := range texts {
		tokens += 2 + len(text)/4
	}
	m.rates.pay(callOf(ctx).caller, tokens)
}
