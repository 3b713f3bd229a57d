// Package embedtest has stand-ins for a model and a store, so that what is built on them can be tested without the
// native library, and the tests that every store must pass, the stand-in and the real one.
package embedtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"strings"
	"sync/atomic"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

const (
	dimensions = 64
	maxTokens  = 32
)

// Fingerprint is that of [Service].
const Fingerprint = "fake-fingerprint"

var prompts = map[string]string{"query": "", "document": "", "shout": "hey "}

// Service is a model of bags of words: texts are similar where they share words.
type Service struct {
	// Err, where it is set, is what every call gives.
	Err error
	// Texts counts those that were embedded.
	Texts atomic.Int64
}

var _ embeddings.EmbeddingService = (*Service)(nil)

// Init gives Err.
func (s *Service) Init(context.Context) error { return s.Err }

// ModelInfo describes the stand-in.
func (s *Service) ModelInfo(context.Context) (*embeddings.ModelInfo, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	return &embeddings.ModelInfo{
		Name: "fake", Fingerprint: Fingerprint, Dimensions: dimensions, FullDimensions: dimensions, MaxTokens: maxTokens,
		Prompts: maps.Clone(prompts),
	}, nil
}

// Embed counts words.
func (s *Service) Embed(ctx context.Context, text string, opts ...embeddings.EmbedOption) (*embeddings.EmbeddingResult, error) {
	batch, err := s.EmbedBatch(ctx, []string{text}, opts...)
	if err != nil {
		return nil, err
	}
	return &batch.Results[0], nil
}

// EmbedBatch counts words, those of the prompt too. It cuts long texts at their end only.
func (s *Service) EmbedBatch(ctx context.Context, texts []string, opts ...embeddings.EmbedOption) (*embeddings.BatchEmbeddingResult, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	settings, err := embeddings.NewEmbedSettings(opts...)
	if err != nil {
		return nil, err
	}
	prompt, known := prompts[settings.PromptName]
	switch {
	case settings.Prompt != nil:
		prompt = *settings.Prompt
	case settings.PromptName != "" && !known:
		return nil, fmt.Errorf("%w: no prompt %q", embeddings.ErrInvalidArgument, settings.PromptName)
	}
	if settings.Dimensions > dimensions {
		return nil, fmt.Errorf("%w: %d", embeddings.ErrDimensions, settings.Dimensions)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, err)
	}
	s.Texts.Add(int64(len(texts)))
	batch := &embeddings.BatchEmbeddingResult{Results: make([]embeddings.EmbeddingResult, len(texts))}
	for i, text := range texts {
		words := strings.Fields(strings.ToLower(prompt + text))
		result := embeddings.EmbeddingResult{Vector: make([]float32, dimensions), FullTokens: len(words) + 2}
		result.Tokens = min(result.FullTokens, maxTokens)
		result.Truncated = result.Tokens < result.FullTokens
		if result.Truncated && settings.Truncate == embeddings.TruncateError {
			return nil, fmt.Errorf("%w: %d tokens", embeddings.ErrTooLong, result.FullTokens)
		}
		for _, word := range words[:result.Tokens-2] {
			hash := fnv.New32a()
			hash.Write([]byte(word))
			result.Vector[hash.Sum32()%dimensions]++
		}
		if settings.Dimensions > 0 {
			result.Vector = result.Vector[:settings.Dimensions]
		}
		normalize(result.Vector)
		batch.Results[i] = result
		batch.TotalTokens += result.Tokens
		if settings.Progress != nil {
			settings.Progress(i+1, len(texts))
		}
	}
	return batch, nil
}

// Close does nothing.
func (s *Service) Close() error { return nil }

func normalize(vector []float32) {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	for i := range vector {
		vector[i] = float32(float64(vector[i]) / max(math.Sqrt(sum), 1e-12))
	}
}
