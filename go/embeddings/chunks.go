package embeddings

import (
	"context"
	"errors"
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Chunking says how long texts are split. Zero is chunks as long as the model takes, one after another.
type Chunking struct {
	// MaxTokens is how many tokens a chunk has at most, its prompt's and special ones counted; 0 is as many as the model
	// takes, and more than that is an ErrInvalidArgument.
	MaxTokens int
	// Overlap is how many tokens before the end of a chunk the next one may begin; less than MaxTokens.
	Overlap int
}

// Chunk is a part of a text that a model takes whole.
type Chunk struct {
	// Text is the part; it shares the whole text's memory.
	Text string
	// Offset is where in the text it begins, in bytes.
	Offset int
	// Start and End are where it begins and ends in characters (runes): ChunkStart and ChunkEnd of a [Record].
	Start, End int
	// Tokens is how many embedding it takes, its prompt's and special ones counted.
	Tokens int
}

// ChunkingService is an [EmbeddingService] that can split texts. [ManagedEmbeddingService] is one.
type ChunkingService interface {
	EmbeddingService
	// Split cuts a text into chunks that cover it, and each of which the model takes whole.
	Split(ctx context.Context, text string, chunking Chunking, opts ...EmbedOption) ([]Chunk, error)
}

// SourceStore is a [Store] that keeps the chunks of a source together. [EmbeddingStore] is one.
type SourceStore interface {
	Store
	// PutSources stores records as Put does, as all that their sources have: other chunks of a record's source and
	// fingerprint are deleted, with the same effect as if it were one transaction. It gives how many these were, too.
	PutSources(ctx context.Context, records []Record) (outcomes []Outcome, deleted int, err error)
}

var (
	_ ChunkingService = (*ManagedEmbeddingService)(nil)
	_ SourceStore     = (*EmbeddingStore)(nil)
)

// Split cuts a text into chunks that the model takes whole, so that nothing of it is lost to truncation. They cover the text
// from its first byte to its last, and each begins where the one before ends, or earlier where the overlap allows it. A chunk
// ends where a paragraph or a sentence does (UAX #29), and inside of a sentence that is longer than a chunk, where a line, a
// word or a character does. A text that fits is one chunk, the empty one none.
//
// The options are those that the chunks will be embedded with; only the prompt counts.
func (s *ManagedEmbeddingService) Split(ctx context.Context, text string, chunking Chunking, opts ...EmbedOption) ([]Chunk, error) {
	if chunking.MaxTokens < 0 || chunking.Overlap < 0 {
		return nil, invalid("chunks of %d tokens with an overlap of %d; expected numbers of 0 or more",
			chunking.MaxTokens, chunking.Overlap)
	}
	settings, err := NewEmbedSettings(opts...)
	if err != nil {
		return nil, err
	}
	model, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	embedding := settings.native()
	found, err := model.Split(text, capi.SplitOptions{
		PromptKind: embedding.PromptKind,
		Prompt:     embedding.Prompt,
		MaxTokens:  chunking.MaxTokens,
		Overlap:    chunking.Overlap,
	})
	if err != nil {
		return nil, public(err)
	}
	chunks := make([]Chunk, len(found))
	for i, chunk := range found {
		chunks[i] = Chunk{
			Text:   text[chunk.ByteStart:chunk.ByteEnd],
			Offset: chunk.ByteStart,
			Start:  chunk.ChunkStart,
			End:    chunk.ChunkEnd,
			Tokens: chunk.Tokens,
		}
	}
	return chunks, nil
}

// PutSources stores records as Put does, as all that their sources have: other chunks of a record's source and fingerprint
// are deleted, in the same transaction. It gives how many these were, too.
func (s *EmbeddingStore) PutSources(ctx context.Context, records []Record) (outcomes []Outcome, deleted int, err error) {
	if err := cancelled(ctx); err != nil {
		return nil, 0, err
	}
	native, err := nativeRecords(records)
	if err != nil {
		return nil, 0, err
	}
	done, deleted, err := s.native.PutSources(native)
	if err != nil {
		return nil, 0, public(err)
	}
	outcomes = make([]Outcome, len(done))
	for i, outcome := range done {
		outcomes[i] = Outcome(outcome)
	}
	return outcomes, deleted, nil
}

// IngestChunks is [Ingest] for long texts: each is split, and its chunks are stored, numbered from 1, in place of those that
// its source had; a text that fits is stored whole, as chunk 0. A chunk whose text the source had already, by the same model,
// is not embedded again, also where it has another number now. The outcome is the source's: Inserted where it had no rows,
// Unchanged where nothing was written.
func IngestChunks(ctx context.Context, service ChunkingService, store SourceStore, items []Item, chunking Chunking) ([]Outcome, error) {
	model, err := service.ModelInfo(ctx)
	if err != nil {
		return nil, err
	}
	type source struct{ kind, id string }
	last := make(map[source]int, len(items))
	for i, item := range items {
		last[source{item.SourceType, item.SourceID}] = i
	}

	var records []Record
	var texts []string
	var missing []int                 // in records: those of texts
	first := make([]int, len(items))  // in records: the item's
	before := make([]int, len(items)) // how many rows the source had
	for i, item := range items {
		first[i] = len(records)
		if last[source{item.SourceType, item.SourceID}] != i {
			continue
		}
		chunks, err := service.Split(ctx, item.Text, chunking, WithPromptName(PromptDocument))
		if err != nil {
			return nil, fmt.Errorf("text of %s '%s': %w", item.SourceType, item.SourceID, err)
		}
		rows, err := store.GetBySource(ctx, item.SourceType, item.SourceID, model.Fingerprint)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		before[i] = len(rows)
		vectors := make(map[string][]float32, len(rows))
		for _, row := range rows {
			vectors[row.Text] = row.Vector
		}
		if len(chunks) < 2 { // the whole text; the store refuses an empty one
			chunks = []Chunk{{Text: item.Text}}
		}
		for n, chunk := range chunks {
			record := Record{
				SourceType:  item.SourceType,
				SourceID:    item.SourceID,
				ChunkStart:  chunk.Start,
				ChunkEnd:    chunk.End,
				Text:        chunk.Text,
				Model:       model.Name,
				Fingerprint: model.Fingerprint,
				Metadata:    item.Metadata,
				Vector:      vectors[chunk.Text],
			}
			if len(chunks) > 1 {
				record.Chunk = n + 1
			}
			if record.Vector == nil {
				texts = append(texts, chunk.Text)
				missing = append(missing, len(records))
			}
			records = append(records, record)
		}
	}
	if len(texts) > 0 {
		batch, err := service.EmbedBatch(ctx, texts, WithPromptName(PromptDocument))
		if err != nil {
			return nil, err
		}
		for i, result := range batch.Results {
			records[missing[i]].Vector = result.Vector
		}
	}
	done, _, err := store.PutSources(ctx, records)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(items))
	for i := range items {
		end := len(records)
		if i+1 < len(items) {
			end = first[i+1]
		}
		outcomes[i] = sourceOutcome(done[first[i]:end], before[i])
	}
	return outcomes, nil
}

// sourceOutcome is what was done with a source that had some rows and got these; none are those of an item whose source
// comes again.
func sourceOutcome(chunks []Outcome, before int) Outcome {
	if len(chunks) == 0 {
		return Unchanged
	}
	if before == 0 {
		return Inserted
	}
	for _, chunk := range chunks {
		if chunk != Unchanged {
			return Replaced
		}
	}
	if before > len(chunks) {
		return Replaced
	}
	return Unchanged
}
