package server

import (
	"encoding/json"
	"errors"
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
	// FullTokens is how many tokens the whole text has.
	FullTokens int `json:"full_tokens"`
	// Truncated says that the text was cut to the model's limit.
	Truncated   bool    `json:"truncated"`
	InferenceMS float64 `json:"inference_ms"`
}

// generate answers POST /api/embeddings/generate. What its prompt may be called and how many dimensions there are is for
// the model to say.
func (s *server) generate(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	text := ""
	var opts []embeddings.EmbedOption
	prompts := 0
	err := readBody(r, wire.Fields{
		"text": func(value json.RawMessage) (err error) {
			text, err = wire.Text("text", value)
			return err
		},
		"prompt_name": func(value json.RawMessage) error {
			name, err := wire.Text("prompt_name", value)
			opts = append(opts, embeddings.WithPromptName(name))
			prompts++
			return err
		},
		"prompt": func(value json.RawMessage) error {
			prompt, err := wire.String("prompt", value)
			opts = append(opts, embeddings.WithPrompt(prompt))
			prompts++
			return err
		},
		"dimensions": func(value json.RawMessage) error {
			dimensions, err := wire.CountOf("dimensions", value)
			opts = append(opts, embeddings.WithDimensions(dimensions))
			return err
		},
		"truncate": func(value json.RawMessage) error {
			name, err := wire.Text("truncate", value)
			if err != nil {
				return err
			}
			truncate, err := wire.Truncate("truncate", name)
			opts = append(opts, embeddings.WithTruncate(truncate))
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, invalid(wire.Missing("text"))
	}
	if prompts > 1 {
		return nil, invalid(errors.New("the body: both prompt_name and prompt; expected one of them"))
	}
	if text, err = s.clean(r.Context(), model, "text", text); err != nil {
		return nil, err
	}
	result, err := s.service.Embed(r.Context(), text, opts...)
	if err != nil {
		return nil, err
	}
	return &GenerateResponse{
		Embedding:   result.Vector,
		Dimensions:  len(result.Vector),
		Model:       model.Name,
		Tokens:      result.Tokens,
		FullTokens:  result.FullTokens,
		Truncated:   result.Truncated,
		InferenceMS: milliseconds(result.InferenceTime),
	}, nil
}
