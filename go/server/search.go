package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// The ways to search.
const (
	// ModeVector finds what means the same as the query.
	ModeVector = wire.ModeVector
	// ModeKeywords finds what has one of the query's words; the model is not asked.
	ModeKeywords = wire.ModeKeywords
	// ModeHybrid does both and fuses the two orders by rank.
	ModeHybrid = wire.ModeHybrid
)

// SearchRequest asks for stored texts.
type SearchRequest struct {
	// Query is the text to search for; empty where Options.Like is set.
	Query string
	// Mode is ModeVector, ModeKeywords or ModeHybrid.
	Mode string
	// Options are the store's. Fingerprint and Words are set by [Search].
	Options embeddings.SearchOptions
	// Details asks for SearchDetails of each result, and for Next.
	Details bool
	// Explain asks how the results were found. A store that cannot say it refuses with errors.ErrUnsupported.
	Explain bool
}

// SearchResponse answers a semantic search.
type SearchResponse struct {
	Query string `json:"query"`
	// Results are the best first.
	Results []SearchResult `json:"results"`
	Stats   SearchStats    `json:"stats"`
	// Next is the parameter "after" of the next page; only with details or "after", in mode vector without diversity, and
	// where there may be another page.
	Next string `json:"next,omitempty"`
	// Explain is only there where it was asked for.
	Explain *embeddings.Explanation `json:"explain,omitempty"`
}

// SearchResult is a stored text that was found.
type SearchResult struct {
	SourceType string `json:"source_type"`
	SourceID   string `json:"source_id"`
	Text       string `json:"text"`
	// Similarity is the cosine to the query, -1 to 1; 0 in mode keywords.
	Similarity float32 `json:"similarity"`
	// Distance is L2 between the two at unit length: Similarity = 1 - Distance*Distance/2; 0 in mode keywords.
	Distance float32 `json:"distance"`
	// SearchDetails are there where they were asked for, and in the modes keywords and hybrid.
	*SearchDetails
}

// SearchDetails is what else is known of a result.
type SearchDetails struct {
	// ID is the row's, for the parameter "like".
	ID string `json:"id"`
	// Chunk is which part of the source the text is; 0 for a whole text.
	Chunk int `json:"chunk"`
	// ChunkStart and ChunkEnd are where in the source the text begins and ends, in characters; both 0 for a whole text.
	ChunkStart int                 `json:"chunk_start"`
	ChunkEnd   int                 `json:"chunk_end"`
	Metadata   embeddings.Metadata `json:"metadata"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
	// Score is what results are ordered by, best first: the similarity, BM25 in mode keywords, the fused score in mode
	// hybrid.
	Score float32 `json:"score"`
	// VectorRank and WordsRank are the places by vector and by words, from 1; 0 for none.
	VectorRank int `json:"vector_rank"`
	WordsRank  int `json:"words_rank"`
}

// SearchStats says what a search gave and took, in milliseconds.
type SearchStats struct {
	TotalResults int     `json:"total_results"`
	InferenceMS  float64 `json:"inference_ms"`
	SearchMS     float64 `json:"search_ms"`
}

// explainer is a store that can say how it has searched.
type explainer interface {
	Explain(ctx context.Context, query []float32, options embeddings.SearchOptions) ([]embeddings.Match, *embeddings.Explanation, error)
}

// Search embeds a query, with the prompt [embeddings.PromptQuery], and finds the stored texts that the request asks for.
func Search(ctx context.Context, service embeddings.EmbeddingService, store embeddings.Store,
	request SearchRequest) (*SearchResponse, error) {
	options := request.Options
	var embedded embeddings.EmbeddingResult
	if options.Like == "" {
		model, err := service.ModelInfo(ctx)
		if err != nil {
			return nil, err
		}
		options.Fingerprint = model.Fingerprint
		if request.Mode != ModeVector {
			options.Words = request.Query
		}
		if request.Mode != ModeKeywords {
			result, err := service.Embed(ctx, request.Query, embeddings.WithPromptName(embeddings.PromptQuery))
			if err != nil {
				return nil, err
			}
			embedded = *result
		}
	}
	start := time.Now()
	matches, explanation, err := find(ctx, store, embedded.Vector, options, request.Explain)
	if err != nil {
		return nil, err
	}
	response := &SearchResponse{
		Query:   request.Query,
		Results: make([]SearchResult, len(matches)),
		Stats: SearchStats{
			TotalResults: len(matches),
			InferenceMS:  milliseconds(embedded.InferenceTime),
			SearchMS:     milliseconds(time.Since(start)),
		},
		Explain: explanation,
	}
	for i, match := range matches {
		response.Results[i] = SearchResult{
			match.SourceType, match.SourceID, match.Text, match.Similarity, match.Distance, nil,
		}
		if request.Details || request.Mode != ModeVector {
			response.Results[i].SearchDetails = &SearchDetails{
				match.ID, match.Chunk, match.ChunkStart, match.ChunkEnd, match.Metadata, match.CreatedAt, match.UpdatedAt,
				match.Score, match.VectorRank, match.WordsRank,
			}
		}
	}
	paged := request.Mode == ModeVector && options.Diversity == 0 && (request.Details || options.After != nil)
	if n := len(matches); paged && n == cmp.Or(options.Limit, DefaultLimit) {
		response.Next = matches[n-1].Cursor().String()
	}
	return response, nil
}

func find(ctx context.Context, store embeddings.Store, query []float32, options embeddings.SearchOptions,
	explain bool) (matches []embeddings.Match, explanation *embeddings.Explanation, err error) {
	if !explain {
		matches, err = store.Search(ctx, query, options)
		return matches, nil, err
	}
	explainer, can := store.(explainer)
	if !can {
		return nil, nil, fmt.Errorf("explain: this store does not say how it has searched (%w)", errors.ErrUnsupported)
	}
	return explainer.Explain(ctx, query, options)
}

// search answers GET /api/search/semantic.
func (s *server) search(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if s.store == nil {
		return nil, errNoStore
	}
	named := func(parameter string) string { return fmt.Sprintf("parameter %q", parameter) }
	reader := wire.NewSearchReader(named, MaxLimit)
	query := ""
	parameters := map[string]func(string) error{
		"q": func(value string) error {
			query = value
			return wire.Blank(named("q"), value)
		},
	}
	for i := range wire.SearchParameters {
		parameter := &wire.SearchParameters[i]
		parameters[parameter.Name] = func(value string) error { return reader.Read(parameter, value) }
	}
	if err := readQuery(r, parameters); err != nil {
		return nil, err
	}
	request, err := reader.Finish(query, wire.Missing(`parameter "q", the text to search for,`))
	if err != nil {
		return nil, invalid(err)
	}
	if query != "" {
		if request.Query, err = s.clean(r.Context(), model, named("q"), query); err != nil {
			return nil, err
		}
	}
	request.Options.Filter = scoped(r.Context(), request.Options.Filter)
	if like := request.Options.Like; like != "" {
		if err := s.mayRead(r.Context(), like); err != nil && !errors.Is(err, errNoRow) {
			return nil, err
		} else if err != nil {
			return nil, noLike(like)
		}
	}
	response, err := Search(r.Context(), s.service, s.store, SearchRequest(request))
	if request.Options.Like != "" && errors.Is(err, embeddings.ErrNotFound) { // it is gone since
		return nil, noLike(request.Options.Like)
	}
	return response, err
}

func noLike(id string) error {
	return &problem{http.StatusNotFound, "not-found", fmt.Sprintf("parameter \"like\" is %q; there is no row with this id", id)}
}
