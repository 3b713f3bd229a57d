package embeddings

import "context"

// EmbedQuery gives the vector of what is searched for, with the prompt named "query". langchaingo's Embedder asks for this
// method.
func (s *ManagedEmbeddingService) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	return s.plain(ctx, text, PromptQuery)
}

// EmbedDocument gives the vector of a text to be found, with the prompt named "document". As a value it is an
// EmbeddingFunc of chromem-go:
//
//	collection, err := db.CreateCollection("notes", nil, service.EmbedDocument)
//
// chromem-go embeds queries with it too. Where the model's prompts differ, give it the query's vector:
// QueryEmbedding with that of EmbedQuery.
func (s *ManagedEmbeddingService) EmbedDocument(ctx context.Context, text string) ([]float32, error) {
	return s.plain(ctx, text, PromptDocument)
}

// EmbedDocuments gives the vectors of texts to be found, in their order, with the prompt named "document" and one call of
// the library. langchaingo's Embedder asks for this method. The vectors share their memory: one that is kept keeps all.
func (s *ManagedEmbeddingService) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	batch, err := s.EmbedBatch(ctx, texts, WithPromptName(PromptDocument))
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(batch.Results))
	for i := range batch.Results {
		vectors[i] = batch.Results[i].Vector
	}
	return vectors, nil
}

func (s *ManagedEmbeddingService) plain(ctx context.Context, text, prompt string) ([]float32, error) {
	result, err := s.Embed(ctx, text, WithPromptName(prompt))
	if err != nil {
		return nil, err
	}
	return result.Vector, nil
}
