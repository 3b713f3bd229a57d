package server

import (
	"encoding/json"
	"net/http"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// GenerateResponse is one text's vector.
type GenerateResponse struct {
	Embedding  []float32 `json:"embedding"`
	Dimensions int       `json:"dimensions"`
	// Model is the model's name.
	Model string `json:"model"`
	// Tokens is how many tokens of the text were used, special ones counted.
	Tokens int `json:"tokens"`
	// Truncated says that the text was cut to the model's limit.
	Truncated   bool    `json:"truncated"`
	InferenceMS float64 `json:"inference_ms"`
}

// generate answers POST /api/embeddings/generate.
func (s *server) generate(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	text := ""
	err := readBody(r, wire.Fields{
		"text": func(value json.RawMessage) (err error) {
			text, err = wire.Text("text", value)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, invalid(wire.Missing("text"))
	}
	result, err := s.service.Embed(r.Context(), text)
	if err != nil {
		return nil, err
	}
	return &GenerateResponse{
		Embedding:   result.Vector,
		Dimensions:  len(result.Vector),
		Model:       model.Name,
		Tokens:      result.Tokens,
		Truncated:   result.Truncated,
		InferenceMS: milliseconds(result.InferenceTime),
	}, nil
}
