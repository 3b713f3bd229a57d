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
}

// Ingest embeds items and stores them, all or none, and says of each what was done. A source whose row has the same
// text by the same model is not embedded again. Of items with the same source the last stays, and the others count as
// Unchanged.
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
	var texts []string
	var records []Record
	var places []int // of the records, in items
	for i, item := range items {
		outcomes[i] = Unchanged
		if last[source{item.SourceType, item.SourceID}] != i {
			continue
		}
		row, err := store.Get(ctx, item.SourceType, item.SourceID, model.Fingerprint)
		switch {
		case err == nil && row.Text == item.Text:
			continue
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, err
		}
		texts = append(texts, item.Text)
		records = append(records, Record{
			SourceType:  item.SourceType,
			SourceID:    item.SourceID,
			Text:        item.Text,
			Model:       model.Name,
			Fingerprint: model.Fingerprint,
		})
		places = append(places, i)
	}
	if len(records) == 0 {
		return outcomes, nil
	}

	batch, err := service.EmbedBatch(ctx, texts, WithPromptName(PromptDocument))
	if err != nil {
		return nil, err
	}
	for i := range records {
		records[i].Vector = batch.Results[i].Vector
	}
	put := store.Put
	if sources, ok := store.(SourceStore); ok { // a source that was split before has no other chunks then
		put = func(ctx context.Context, records []Record) ([]Outcome, error) {
			outcomes, _, err := sources.PutSources(ctx, records)
			return outcomes, err
		}
	}
	done, err := put(ctx, records)
	if err != nil {
		return nil, err
	}
	for i, outcome := range done {
		outcomes[places[i]] = outcome
	}
	return outcomes, nil
}
