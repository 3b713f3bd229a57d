package embeddings

import (
	"context"
	"time"
)

// EmbeddingRequest asks for vectors: of Text, or of Texts.
type EmbeddingRequest struct {
	Text  string   `json:"text,omitempty"`
	Texts []string `json:"texts,omitempty"`
}

// EmbeddingResponse answers an [EmbeddingRequest].
type EmbeddingResponse struct {
	// Embeddings are the vectors, in the texts' order.
	Embeddings [][]float32 `json:"embeddings"`
	// Dimensions is the length of each.
	Dimensions int `json:"dimensions"`
	// Tokens is how many tokens were used in all.
	Tokens int `json:"tokens"`
	// Truncated says of each text whether it was cut to the model's limit.
	Truncated []bool `json:"truncated"`
	// InferenceMS is how long it took, in milliseconds.
	InferenceMS float64 `json:"inference_ms"`
}

// HandleRequest answers a request. Both Text and Texts, or neither, is an ErrInvalidArgument.
func (s *ManagedEmbeddingService) HandleRequest(ctx context.Context, request *EmbeddingRequest) (*EmbeddingResponse, error) {
	texts := request.Texts
	switch {
	case request.Text != "" && len(texts) > 0:
		return nil, invalid("the request has both text and texts; expected one of them")
	case request.Text != "":
		texts = []string{request.Text}
	case len(texts) == 0:
		return nil, invalid("the request has neither text nor texts, or they are empty")
	}
	info, err := s.ModelInfo(ctx)
	if err != nil {
		return nil, err
	}
	batch, err := s.EmbedBatch(ctx, texts)
	if err != nil {
		return nil, err
	}
	response := &EmbeddingResponse{
		Dimensions:  info.Dimensions,
		Tokens:      batch.TotalTokens,
		InferenceMS: float64(batch.InferenceTime) / float64(time.Millisecond),
	}
	for _, result := range batch.Results {
		response.Embeddings = append(response.Embeddings, result.Vector)
		response.Truncated = append(response.Truncated, result.Truncated)
	}
	return response, nil
}

// HandleEmbeddingRequest is HandleRequest without a context.
func (s *ManagedEmbeddingService) HandleEmbeddingRequest(request *EmbeddingRequest) (*EmbeddingResponse, error) {
	return s.HandleRequest(context.Background(), request)
}
