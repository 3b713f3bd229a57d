package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// SearchResponse answers a semantic search.
type SearchResponse struct {
	Query string `json:"query"`
	// Results are the nearest first.
	Results []SearchResult `json:"results"`
	Stats   SearchStats    `json:"stats"`
}

// SearchResult is a stored text that was found.
type SearchResult struct {
	SourceType string `json:"source_type"`
	SourceID   string `json:"source_id"`
	Text       string `json:"text"`
	// Similarity is the cosine to the query, -1 to 1.
	Similarity float32 `json:"similarity"`
	// Distance is L2 between the two at unit length: Similarity = 1 - Distance*Distance/2.
	Distance float32 `json:"distance"`
}

// SearchStats says what a search gave and took, in milliseconds.
type SearchStats struct {
	TotalResults int     `json:"total_results"`
	InferenceMS  float64 `json:"inference_ms"`
	SearchMS     float64 `json:"search_ms"`
}

// Search embeds a query, with the prompt [embeddings.PromptQuery], and finds the stored texts that are nearest to it: at most limit, 1 to [MaxLimit], of at least
// the cosine threshold.
func Search(ctx context.Context, service embeddings.EmbeddingService, store embeddings.Store,
	query string, limit int, threshold float32) (*SearchResponse, error) {
	model, err := service.ModelInfo(ctx)
	if err != nil {
		return nil, err
	}
	embedded, err := service.Embed(ctx, query, embeddings.WithPromptName(embeddings.PromptQuery))
	if err != nil {
		return nil, err
	}
	start := time.Now()
	matches, err := store.Search(ctx, embedded.Vector, embeddings.SearchOptions{
		Fingerprint: model.Fingerprint,
		Limit:       limit,
		Threshold:   threshold,
	})
	if err != nil {
		return nil, err
	}
	response := &SearchResponse{
		Query:   query,
		Results: make([]SearchResult, len(matches)),
		Stats: SearchStats{
			TotalResults: len(matches),
			InferenceMS:  milliseconds(embedded.InferenceTime),
			SearchMS:     milliseconds(time.Since(start)),
		},
	}
	for i, match := range matches {
		response.Results[i] = SearchResult{
			match.SourceType, match.SourceID, match.Text, match.Similarity, match.Distance,
		}
	}
	return response, nil
}

// search answers GET /api/search/semantic.
func (s *server) search(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if s.store == nil {
		return nil, errNoStore
	}
	query, limit, threshold := "", DefaultLimit, float32(DefaultThreshold)
	err := readQuery(r, map[string]func(string) error{
		"q": func(value string) error {
			if strings.TrimSpace(value) == "" {
				return errors.New(`parameter "q" is blank; expected some text`)
			}
			query = value
			return nil
		},
		"limit": func(value string) (err error) {
			limit, err = wire.Limit(`parameter "limit"`, value)
			return err
		},
		"threshold": func(value string) (err error) {
			threshold, err = wire.Threshold(`parameter "threshold"`, value)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if query == "" {
		return nil, invalid(wire.Missing(`parameter "q", the text to search for,`))
	}
	if query, err = s.clean(r.Context(), model, `parameter "q"`, query); err != nil {
		return nil, err
	}
	return Search(r.Context(), s.service, s.store, query, limit, threshold)
}
