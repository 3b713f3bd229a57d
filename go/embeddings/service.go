package embeddings

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// EmbeddingService turns texts into vectors. [ManagedEmbeddingService] is one; a program that takes this interface can
// be tested without a model. Any number of goroutines may use a service at once.
type EmbeddingService interface {
	// Init makes the service ready, so that failures come now. The other methods do it when they must.
	Init(ctx context.Context) error
	// ModelInfo is what the model is.
	ModelInfo(ctx context.Context) (*ModelInfo, error)
	// Embed gives one text's vector.
	Embed(ctx context.Context, text string, opts ...EmbedOption) (*EmbeddingResult, error)
	// EmbedBatch gives the vectors of many texts, in their order: all, or an error. [NewEmbedSettings] reads the options.
	EmbedBatch(ctx context.Context, texts []string, opts ...EmbedOption) (*BatchEmbeddingResult, error)
	// Close frees the model. It waits for running calls and may be called again.
	Close() error
}

var _ EmbeddingService = (*ManagedEmbeddingService)(nil)

// ModelInfo is what an open model is.
type ModelInfo struct {
	// Name is the directory's name, for people.
	Name string
	// Fingerprint is a SHA-256 in hex over all files of the directory that are used. Only vectors of equal
	// fingerprints can be compared.
	Fingerprint string
	// Dimensions is the length of a vector where [WithDimensions] does not say otherwise.
	Dimensions int
	// FullDimensions is the most that WithDimensions can ask for; mostly the same.
	FullDimensions int
	// MaxTokens is how many tokens of a text are used, special ones counted.
	MaxTokens int
	// Prompts are the directory's, by name; [PromptQuery] and [PromptDocument] are always there.
	Prompts map[string]string
	// DefaultPromptName is the one that is put before texts where no option says otherwise; empty for none.
	DefaultPromptName string
	// HasModules says that the directory has a modules.json; without one, hidden states are pooled by their mean.
	HasModules bool
	// Precision is how the network computes.
	Precision Precision
	// ONNXRuntime is the version of the ONNX Runtime in use.
	ONNXRuntime string
}

// EmbeddingResult is one text's vector.
type EmbeddingResult struct {
	// Vector has [ModelInfo.Dimensions] components (or those of [WithDimensions]), and unit length where the model says so (most do). The vectors of
	// a batch share their memory: one that is kept keeps all.
	Vector []float32
	// Tokens is how many tokens were used, special ones counted.
	Tokens int
	// FullTokens is how many tokens the whole text has.
	FullTokens int
	// Truncated says that the text was cut to the model's limit.
	Truncated bool
	// InferenceTime is how long the call took that made the vector; in a batch, the whole batch's.
	InferenceTime time.Duration
}

// BatchEmbeddingResult is the vectors of many texts.
type BatchEmbeddingResult struct {
	// Results are in the texts' order.
	Results []EmbeddingResult
	// TotalTokens is how many tokens were used in all.
	TotalTokens int
	// InferenceTime is how long the call took.
	InferenceTime time.Duration
}

// ManagedEmbeddingService is a model that is opened at its first use, or by Init, and freed by Close. Any number of
// goroutines may use it at once.
type ManagedEmbeddingService struct {
	directory string
	options   options

	mu     sync.Mutex // guards what follows; held while the model is opened
	model  *capi.Model
	closed bool
}

// NewManagedEmbeddingService makes a service for a model directory as sentence-transformers publishes it. Nothing is
// read before Init or the first use; the error is an ErrInvalidArgument.
func NewManagedEmbeddingService(modelPath string, opts ...Option) (*ManagedEmbeddingService, error) {
	if modelPath == "" {
		return nil, invalid("the path of the model directory is empty")
	}
	s := &ManagedEmbeddingService{directory: modelPath}
	for _, option := range opts {
		if err := option(&s.options); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Init opens the model, unless it is open, and runs it once to see that it works: some hundred milliseconds. After a
// failure it may be tried again.
func (s *ManagedEmbeddingService) Init(ctx context.Context) error {
	_, err := s.open(ctx)
	return err
}

// Initialize is Init without a context.
func (s *ManagedEmbeddingService) Initialize() error {
	return s.Init(context.Background())
}

func (s *ManagedEmbeddingService) open(ctx context.Context) (*capi.Model, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.model == nil {
		model, err := capi.OpenModel(s.directory, capi.ModelOptions(s.options))
		if err != nil {
			return nil, public(err)
		}
		s.model = model
	}
	return s.model, nil
}

// ModelInfo is what the model is.
func (s *ManagedEmbeddingService) ModelInfo(ctx context.Context) (*ModelInfo, error) {
	model, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	info := model.Info()
	return &ModelInfo{
		Name:              info.Name,
		Fingerprint:       info.Fingerprint,
		Dimensions:        info.Dimensions,
		FullDimensions:    info.FullDimensions,
		MaxTokens:         info.MaxTokens,
		Prompts:           maps.Clone(info.Prompts),
		DefaultPromptName: info.DefaultPromptName,
		HasModules:        info.HasModules,
		Precision:         Precision(info.Precision),
		ONNXRuntime:       info.ONNXRuntime,
	}, nil
}

// GetModelInfo is ModelInfo without a context.
func (s *ManagedEmbeddingService) GetModelInfo() (*ModelInfo, error) {
	return s.ModelInfo(context.Background())
}

// CacheStats is what the cache has done since the model was opened, and what it holds; all 0 without [WithCache].
type CacheStats struct {
	// Hits is how many texts it had; one that comes twice in a call counts once.
	Hits uint64
	// Misses is how many it did not have.
	Misses uint64
	// Entries is how many vectors it holds.
	Entries uint64
	// Bytes is what they take, with their texts and what is needed to find them.
	Bytes uint64
}

// CacheStats is what the model's cache does. Cheap.
func (s *ManagedEmbeddingService) CacheStats(ctx context.Context) (*CacheStats, error) {
	model, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	stats, err := model.Stats()
	if err != nil {
		return nil, public(err)
	}
	return &CacheStats{stats.CacheHits, stats.CacheMisses, stats.CacheEntries, stats.CacheBytes}, nil
}

// Embed gives one text's vector. The empty text has one too; text that is not UTF-8 is an ErrInvalidUTF8.
func (s *ManagedEmbeddingService) Embed(ctx context.Context, text string, opts ...EmbedOption) (*EmbeddingResult, error) {
	batch, err := s.EmbedBatch(ctx, []string{text}, opts...)
	if err != nil {
		return nil, err
	}
	return &batch.Results[0], nil
}

// GenerateEmbedding is Embed without a context.
func (s *ManagedEmbeddingService) GenerateEmbedding(text string) (*EmbeddingResult, error) {
	return s.Embed(context.Background(), text)
}

// EmbedBatch gives the vectors of many texts, in their order, with one call of the library: all, or an error. A text's
// vector does not depend on its neighbours, and texts that come twice are computed once. No texts give no results.
func (s *ManagedEmbeddingService) EmbedBatch(ctx context.Context, texts []string, opts ...EmbedOption) (*BatchEmbeddingResult, error) {
	settings, err := NewEmbedSettings(opts...)
	if err != nil {
		return nil, err
	}
	model, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	vectors, infos, err := model.Embed(ctx, texts, settings.native())
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, public(err)
	}
	batch := &BatchEmbeddingResult{Results: make([]EmbeddingResult, len(texts)), InferenceTime: time.Since(start)}
	dimensions := len(vectors) / max(len(texts), 1)
	for i, info := range infos {
		batch.Results[i] = EmbeddingResult{
			// The capacity ends with the vector, or an append to it would write into the next one.
			Vector:        vectors[i*dimensions : (i+1)*dimensions : (i+1)*dimensions],
			Tokens:        info.Tokens,
			FullTokens:    info.FullTokens,
			Truncated:     info.Truncated,
			InferenceTime: batch.InferenceTime,
		}
		batch.TotalTokens += info.Tokens
	}
	return batch, nil
}

// GenerateBatchEmbeddings is EmbedBatch without a context.
func (s *ManagedEmbeddingService) GenerateBatchEmbeddings(texts []string) (*BatchEmbeddingResult, error) {
	return s.EmbedBatch(context.Background(), texts)
}

// Close frees the model when no call uses it any more. Later calls give ErrClosed; a second Close does nothing.
func (s *ManagedEmbeddingService) Close() error {
	s.mu.Lock()
	s.closed = true
	model := s.model
	s.mu.Unlock()
	if model == nil {
		return nil
	}
	return model.Close()
}
