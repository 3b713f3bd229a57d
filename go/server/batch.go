package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

var errNoStore = &problem{http.StatusServiceUnavailable, "no-store", "this server has no store to keep and search embeddings in"}

// BatchResponse says what became of a batch.
type BatchResponse struct {
	// Processed is how many texts are stored now, those counted that were before.
	Processed int `json:"processed"`
	// Failed is how many are not.
	Failed int `json:"failed"`
	// Errors says why, one for each of Failed.
	Errors []string `json:"errors"`
	TimeMS float64  `json:"time_ms"`
}

// batch answers POST /api/embeddings/batch. What is wrong with the request itself is a 400, and nothing is stored;
// "failed" and "errors" are for attestations that cannot be had.
func (s *server) batch(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if s.store == nil {
		return nil, errNoStore
	}
	start := time.Now()
	var items []embeddings.Item
	var ids []string
	var chunking *embeddings.Chunking
	if err := readQuery(r, map[string]func(string) error{"answers": readAnswers(new(bool))}); err != nil {
		return nil, err
	}
	err := readObject(r, wire.Fields{
		"chunk": readChunk(model, &chunking),
		"items": func(value json.RawMessage) error {
			return wire.List("items", value, s.limits.Texts, func(path string, value json.RawMessage) error {
				item, err := wire.Item(path, value)
				items = append(items, item)
				return err
			})
		},
		"attestation_ids": func(value json.RawMessage) error {
			return wire.List("attestation_ids", value, s.limits.Texts, func(path string, value json.RawMessage) error {
				id, err := wire.Text(path, value)
				ids = append(ids, id)
				return err
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if (items == nil) == (ids == nil) {
		return nil, invalid(errors.New("the body: expected one of items and attestation_ids"))
	}

	answer := &BatchResponse{Errors: []string{}}
	switch {
	case ids == nil:
		err = s.cleanItems(r.Context(), model, items)
	case s.attestations == nil:
		err = invalid(errors.New("attestation_ids: this server has no attestations"))
	default:
		items, answer.Errors, err = s.resolve(r.Context(), model, ids)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.ingest(r.Context(), items, chunking); err != nil {
		return nil, err
	}
	answer.Processed, answer.Failed = len(items), len(answer.Errors)
	answer.TimeMS = milliseconds(time.Since(start))
	return answer, nil
}

// readChunk reads how texts are split. Numbers that the model does not take are refused before anything is done.
func readChunk(model *embeddings.ModelInfo, to **embeddings.Chunking) func(json.RawMessage) error {
	return func(value json.RawMessage) error {
		chunking, err := wire.Chunking("chunk", value)
		if err != nil {
			return err
		}
		tokens := cmp.Or(chunking.MaxTokens, model.MaxTokens)
		switch {
		case tokens > model.MaxTokens:
			return fmt.Errorf("chunk.max_tokens is %d; the model takes at most %d", tokens, model.MaxTokens)
		case chunking.Overlap >= tokens:
			return fmt.Errorf("chunk.overlap is %d; expected less than the %d tokens of a chunk", chunking.Overlap, tokens)
		}
		*to = chunking
		return nil
	}
}

// ingest embeds items and stores them, in chunks where chunking is not nil.
func (s *server) ingest(ctx context.Context, items []embeddings.Item, chunking *embeddings.Chunking) ([]embeddings.Outcome, error) {
	if chunking == nil {
		return embeddings.Ingest(ctx, s.service, s.store, items)
	}
	store, can := s.store.(embeddings.SourceStore)
	if !can {
		return nil, fmt.Errorf("chunk: this server's store does not keep the chunks of a source together (%w)", errors.ErrUnsupported)
	}
	return embeddings.IngestChunks(ctx, s.service, store, items, *chunking)
}

func (s *server) cleanItems(ctx context.Context, model *embeddings.ModelInfo, items []embeddings.Item) (err error) {
	for i := range items {
		if items[i].Text, err = s.clean(ctx, model, fmt.Sprintf("items[%d].text", i), items[i].Text); err != nil {
			return err
		}
	}
	return nil
}

// resolve makes items of attestations; an id that comes twice is taken once. The failures name the ids that gave none.
func (s *server) resolve(ctx context.Context, model *embeddings.ModelInfo,
	ids []string) (items []embeddings.Item, failures []string, err error) {
	failures = []string{}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		attestation, err := s.attestations.Attestation(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil, nil, fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
		case errors.Is(err, embeddings.ErrNotFound):
			failures = append(failures, fmt.Sprintf("attestation %q: not found", id))
			continue
		case err != nil:
			s.log.ErrorContext(ctx, "attestation not read", "id", id, "error", err)
			failures = append(failures, fmt.Sprintf("attestation %q: could not be read; the reason is in the server's log", id))
			continue
		}
		text := attestation.Text()
		if text == "" {
			failures = append(failures, fmt.Sprintf("attestation %q: has no text", id))
			continue
		}
		if text, err = s.clean(ctx, model, "its text", text); err != nil {
			failures = append(failures, fmt.Sprintf("attestation %q: %v", id, err))
			continue
		}
		items = append(items, embeddings.Item{SourceType: AttestationSourceType, SourceID: id, Text: text})
	}
	return items, failures, nil
}
