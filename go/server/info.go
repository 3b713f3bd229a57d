package server

import (
	"context"
	"net/http"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// InfoResponse answers GET /api/embeddings/info.
type InfoResponse struct {
	Model ModelInfo `json:"model"`
	// Rows is how many the store has of those that the caller may read, of all models; null where there is no store.
	Rows *int `json:"rows"`
	// Index is what searches by this model go through; null where the store does not say, and for keys that have a read scope,
	// whose holders are not told of other rows.
	Index *IndexInfo `json:"index"`
}

// IndexInfo is the state of the model's indexes.
type IndexInfo struct {
	// Rows is how many the model has, at its full number of dimensions.
	Rows int `json:"rows"`
	// Durable says that the index in the database is there; where rows have none, qntx-embed verify --repair builds it.
	Durable bool `json:"durable"`
	// Resident says that the index in memory is there: it is built when searches have paid for it.
	Resident bool `json:"resident"`
	// ResidentRows is how many rows it has, as of the last search that looked there.
	ResidentRows int `json:"resident_rows"`
	// ResidentBytes is about what it takes, and MaxResidentBytes what those of all models may take together.
	ResidentBytes    int64 `json:"resident_bytes"`
	MaxResidentBytes int64 `json:"max_resident_bytes"`
}

// ModelInfo is the model, as [embeddings.ModelInfo] has it.
type ModelInfo struct {
	Name              string            `json:"name"`
	Fingerprint       string            `json:"fingerprint"`
	Dimensions        int               `json:"dimensions"`
	FullDimensions    int               `json:"full_dimensions"`
	MaxTokens         int               `json:"max_tokens"`
	Precision         string            `json:"precision"`
	Prompts           map[string]string `json:"prompts"`
	DefaultPromptName string            `json:"default_prompt_name"`
	ONNXRuntime       string            `json:"onnxruntime"`
}

// info answers GET /api/embeddings/info.
func (s *server) info(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if err := readQuery(r, nil); err != nil {
		return nil, err
	}
	answer := &InfoResponse{Model: ModelInfo{
		model.Name, model.Fingerprint, model.Dimensions, model.FullDimensions, model.MaxTokens, model.Precision.String(),
		model.Prompts, model.DefaultPromptName, model.ONNXRuntime,
	}}
	if s.store != nil {
		rows, err := s.store.Count(r.Context(), embeddings.Selection{Filter: scoped(r.Context(), embeddings.Filter{})})
		if err != nil {
			return nil, err
		}
		answer.Rows = &rows
		if answer.Index, err = s.indexInfo(r.Context(), model); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// statistician is a store that knows its indexes, such as [embeddings.EmbeddingStore].
type statistician interface {
	Stats(ctx context.Context) (*embeddings.StoreStats, error)
}

func (s *server) indexInfo(ctx context.Context, model *embeddings.ModelInfo) (*IndexInfo, error) {
	store, knows := s.store.(statistician)
	if key := callOf(ctx).key; !knows || key != nil && !key.Scope.IsZero() {
		return nil, nil
	}
	stats, err := store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	info := &IndexInfo{MaxResidentBytes: stats.MaxResidentBytes}
	for _, found := range stats.Models {
		if found.Fingerprint == model.Fingerprint && found.Dimensions == model.Dimensions {
			info.Rows, info.Durable, info.Resident = found.Rows, found.Indexed, found.ResidentRows > 0
			info.ResidentRows, info.ResidentBytes = found.ResidentRows, found.ResidentBytes
		}
	}
	return info, nil
}
