package capi

import "context"

// SplitOptions is qntx_embed_split_options; zero is the default of every field. Numbers must not be negative.
type SplitOptions struct {
	PromptKind PromptKind
	Prompt     string
	MaxTokens  int
	Overlap    int
}

// Chunk is qntx_embed_chunk.
type Chunk struct {
	ByteStart  int
	ByteEnd    int
	ChunkStart int
	ChunkEnd   int
	Tokens     int
}

// ReindexOptions is qntx_embed_reindex_options; zero is the default of every field. Dimensions must not be negative.
type ReindexOptions struct {
	PromptKind PromptKind
	Prompt     string
	Dimensions int
	KeepOld    bool
	// Progress is as that of EmbedOptions.
	Progress func(done, total int)
}

// ReindexReport is qntx_embed_reindex_report.
type ReindexReport struct {
	Embedded  int
	Truncated int
	Deleted   int
}

// What both builds offer: neither compiles without it.
var (
	_ interface {
		Split(text string, options SplitOptions) ([]Chunk, error)
	} = (*Model)(nil)

	_ interface {
		PutSources([]Record) (outcomes []Outcome, deleted int, err error)
		Reindex(ctx context.Context, model *Model, options ReindexOptions) (ReindexReport, error)
	} = (*Store)(nil)
)
