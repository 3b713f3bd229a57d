package embeddings

import (
	"context"
	"errors"
)

// Item is a text to embed and store under its source.
type Item struct {
	// SourceType is what kind of thing the text comes from, and SourceID which of them. Neither may be empty.
	SourceType, SourceID string
	// Text must not be empty.
	Text string
	// Metadata is what filters can ask for beside the source; nil for none.
	Metadata Metadata
}

// Ingest embeds items and stores them, all or none, and says of each what was done. A source whose row has the same
// text by the same model is not embedded again; it gets the item's metadata. Of items with the same source the last stays,
// and the others count as Unchanged.
//
// Texts are embedded with the prompt [PromptDocument], so a query for them should have [PromptQuery]: as encode_document
// and encode_query of sentence-transformers do it.
//
// All items are in memory at once: cut a long stream into batches of some hundred.
func Ingest(ctx context.Context, service EmbeddingService, store Store, items []Item) ([]Outcome, error) {
	model, err := service.ModelInfo(ctx)
	if err != nil {
		return nil, err
	}
	type source struct{ kind, id string }
	last := make(map[source]int, len(items))
	for i, item := range items {
		last[source{item.SourceType, item.SourceID}] = i
	}

	outcomes := make([]Outcome, len(items))
	var records []Record
	var places []int // of the records, in items
	for i, item := range items {
		outcomes[i] = Unchanged
		if last[source{item.SourceType, item.SourceID}] != i {
			continue
		}
		records = append(records, Record{
			SourceType:  item.SourceType,
			SourceID:    item.SourceID,
			Text:        item.Text,
			Model:       model.Name,
			Fingerprint: model.Fingerprint,
			Metadata:    item.Metadata,
		})
		places = append(places, i)
	}
	has, err := store.Has(ctx, records)
	if err != nil {
		return nil, err
	}
	if err := embedMissing(ctx, service, records, has); err != nil {
		return nil, err
	}
	done, err := store.Put(ctx, records)
	if errors.Is(err, ErrDimensions) {
		// A row that was there has gone meanwhile, or has another text: nothing is stored, and all need vectors.
		if err := embedMissing(ctx, service, records, make([]bool, len(records))); err != nil {
			return nil, err
		}
		done, err = store.Put(ctx, records)
	}
	if err != nil {
		return nil, err
	}
	for i, outcome := range done {
		outcomes[places[i]] = outcome
	}
	return outcomes, nil
}

// embedMissing gives vectors to the records that have none, except for those whose text is there.
func embedMissing(ctx context.Context, service EmbeddingService, records []Record, there []bool) error {
	var texts []string
	var places []int
	for i, record := range records {
		if record.Vector == nil && !there[i] {
			texts = append(texts, record.Text)
			places = append(places, i)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	batch, err := service.EmbedBatch(ctx, texts, WithPromptName(PromptDocument))
	if err != nil {
		return err
	}
	for i, result := range batch.Results {
		records[places[i]].Vector = result.Vector
	}
	return nil
}
