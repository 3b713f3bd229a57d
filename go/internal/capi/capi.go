// Package capi is the C ABI of libqntx_embed (include/qntx_embed.h) with Go's types and Go's memory rules: the only
// package of this module that imports "C" or "unsafe", but for arenas below it, which is the program's.
//
// With the build tag rustembeddings, and cgo, it calls the native library. Otherwise it has the same names, and every
// call gives ErrNotCompiled.
//
// Memory: texts and vectors are lent to C by pointer, pinned for the call and not copied; what C gives is copied before
// it is freed. Models and stores may be used by any number of goroutines at once. Close waits for the calls that are
// running and may be called again; a handle that was forgotten is freed after the garbage collector has found it.
package capi

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrNotCompiled is every call's answer in a build without the native library.
	ErrNotCompiled = errors.New("embeddings are not in this build: compile with -tags=rustembeddings, and cgo enabled")
	// ErrClosed says that a model or store was used after its Close.
	ErrClosed = errors.New("used after Close")
	// ErrABIVersion says that the library that was loaded is not the one whose header this was compiled with.
	ErrABIVersion = errors.New("libqntx_embed has another ABI than its header")
)

// Code is a qntx_embed_status other than OK.
type Code int

// The header's statuses; the native build does not compile where they differ from it.
const (
	InvalidArgument  Code = 1
	ModelNotFound    Code = 2
	ModelInvalid     Code = 3
	ModelUnsupported Code = 4
	RuntimeNotFound  Code = 5
	RuntimeVersion   Code = 6
	EmptyText        Code = 7
	TooLong          Code = 8
	InvalidUTF8      Code = 9
	Dimensions       Code = 10
	Overloaded       Code = 11
	Cancelled        Code = 12
	NotFound         Code = 13
	StoreFailure     Code = 14
	StoreVersion     Code = 15
	IO               Code = 16
	Inference        Code = 17
	Internal         Code = 18
)

// Error is a call's failure as the library tells it.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("libqntx_embed failed with status %d", e.Code)
	}
	return e.Message
}

// Format says which of a directory's networks to run.
type Format uint32

// The header's QNTX_EMBED_FORMAT_...
const (
	FormatAuto        Format = 0
	FormatSafetensors Format = 1
	FormatONNX        Format = 2
)

// Precision says how a network computes.
type Precision uint32

// The header's QNTX_EMBED_PRECISION_...
const (
	PrecisionFP32 Precision = 0
	PrecisionInt8 Precision = 1
)

// LogLevel is one of QNTX_EMBED_LOG_...
type LogLevel uint32

// How much a line matters.
const (
	LogError   LogLevel = 1
	LogWarning LogLevel = 2
	LogInfo    LogLevel = 3
)

// ModelOptions is qntx_embed_model_options; zero is the default of every field. Numbers must not be negative.
type ModelOptions struct {
	ONNXRuntime string
	MaxTokens   int
	Threads     int
	Queue       int
	CacheBytes  int
	Format      Format
	Precision   Precision

	RequireManifest bool

	Log func(level LogLevel, line string)
}

// StoreOptions is qntx_embed_store_options.
type StoreOptions struct {
	MaxResidentBytes int

	Log func(level LogLevel, line string)
}

// ModelStats is qntx_embed_model_stats.
type ModelStats struct {
	CacheHits    uint64
	CacheMisses  uint64
	CacheEntries uint64
	CacheBytes   uint64
}

// ManifestInfo is qntx_embed_manifest_info.
type ManifestInfo struct {
	Files       int
	Fingerprint string
}

// MigrateOptions is qntx_embed_migrate_options.
type MigrateOptions struct {
	Backup        string
	Apply         bool
	WithoutBackup bool
}

// ModelInfo is qntx_embed_model_info.
type ModelInfo struct {
	Name        string
	Fingerprint string
	ONNXRuntime string
	Dimensions  int

	// FullDimensions is the most that Dimensions of EmbedOptions can ask for.
	FullDimensions    int
	MaxTokens         int
	Precision         Precision
	Prompts           map[string]string
	DefaultPromptName string
	HasModules        bool
}

// PromptKind says what Prompt of EmbedOptions is.
type PromptKind uint32

// The header's QNTX_EMBED_PROMPT_...
const (
	PromptDefault PromptKind = 0
	PromptNamed   PromptKind = 1
	PromptText    PromptKind = 2
)

// Truncate says which end of a long text is cut off.
type Truncate uint32

// The header's QNTX_EMBED_TRUNCATE_...
const (
	TruncateDefault Truncate = 0
	TruncateRight   Truncate = 1
	TruncateLeft    Truncate = 2
	TruncateError   Truncate = 3
)

// EmbedOptions is qntx_embed_embed_options; zero is the default of every field. Dimensions must not be negative.
type EmbedOptions struct {
	PromptKind PromptKind
	Prompt     string
	Dimensions int
	Truncate   Truncate
	// Progress runs on the goroutine that makes the call, while C runs below it. A panic in it cancels the call, and goes
	// on after it.
	Progress func(done, total int)
}

// TextInfo is qntx_embed_text_info.
type TextInfo struct {
	Tokens     int
	FullTokens int
	Truncated  bool
}

// Record is qntx_embed_record. Numbers must not be negative.
type Record struct {
	ID          string
	SourceType  string
	SourceID    string
	Chunk       int
	ChunkStart  int
	ChunkEnd    int
	Text        string
	Model       string
	Fingerprint string
	Metadata    string // JSON
	Vector      []float32
}

// Outcome is one of QNTX_EMBED_OUTCOME_...
type Outcome uint32

// What was done with a record.
const (
	Inserted  Outcome = 0
	Replaced  Outcome = 1
	Unchanged Outcome = 2
)

// SearchOptions is qntx_embed_search_options; zero is the default of every field. Limit, Candidates and Depth must not be
// negative.
type SearchOptions struct {
	Fingerprint    string
	Filter         string // JSON
	Words          string
	Like           string
	AfterID        string
	AfterDistance  float32
	Limit          int
	Candidates     int
	Depth          int
	Threshold      float32
	Diversity      float32
	VectorWeight   float32
	WordsWeight    float32
	RankConstant   float32
	GroupBySource  bool
	WithoutVectors bool
}

// ListOptions is qntx_embed_list_options; zero is the default of every field. Limit must not be negative.
type ListOptions struct {
	Fingerprint    string
	Filter         string // JSON
	AfterID        string
	Limit          int
	WithoutVectors bool
}

// Row is qntx_embed_row; the times are RFC 3339.
type Row struct {
	Record
	Dimensions int
	CreatedAt  string
	UpdatedAt  string
	Similarity float32
	Distance   float32
	Score      float32
	VectorRank int
	WordsRank  int
}

// What both builds offer: neither compiles without it.
var (
	_ func() (string, error)                     = Version
	_ func([]float32) ([]byte, error)            = Serialize
	_ func([]byte) ([]float32, error)            = Deserialize
	_ func(a, b []float32) (float32, error)      = Similarity
	_ func(string, ModelOptions) (*Model, error) = OpenModel
	_ func(string, StoreOptions) (*Store, error) = OpenStore
	_ func(string) (ManifestInfo, error)         = WriteManifest
	_ func(string) (ManifestInfo, error)         = CheckManifest

	_ func(string, MigrateOptions) (json string, err error) = Migrate

	_ func(ctx context.Context, vectors []float32, dimensions int, report func(done, total int)) ([]float32, error) = Project
	_ func(vectors []float32, dimensions int, points, vector []float32) ([2]float32, error)                         = Place

	_ interface {
		Info() ModelInfo
		Stats() (ModelStats, error)
		Embed(ctx context.Context, texts []string, options EmbedOptions) ([]float32, []TextInfo, error)
		Close() error
	} = (*Model)(nil)

	_ interface {
		Put([]Record) ([]Outcome, error)
		Has([]Record) ([]bool, error)
		Get(id string) (Row, error)
		GetSource(sourceType, sourceID, fingerprint string) ([]Row, error)
		List(ListOptions) ([]Row, error)
		Count(fingerprint, filter string) (int, error)
		Search(query []float32, options SearchOptions) (rows []Row, explain string, err error)
		DeleteIDs([]string) (int, error)
		DeleteSource(sourceType, sourceID string) (int, error)
		DeleteWhere(filter string) (int, error)
		Revision() (uint64, error)
		Stats() (json string, err error)
		Verify(repair bool) (json string, err error)
		Backup(path string) error
		Optimize() error
		Close() error
	} = (*Store)(nil)
)
