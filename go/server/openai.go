package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// openAIPath is what OpenAI's routes begin with; their errors have its shape.
const openAIPath = "/v1/"

// OpenAIEmbeddings answers POST /v1/embeddings.
type OpenAIEmbeddings struct {
	Object string            `json:"object"` // "list"
	Data   []OpenAIEmbedding `json:"data"`
	// Model is what the request called it.
	Model string      `json:"model"`
	Usage OpenAIUsage `json:"usage"`
}

// OpenAIEmbedding is the vector of one text.
type OpenAIEmbedding struct {
	Object string `json:"object"` // "embedding"
	// Index is the text's place in the request.
	Index int `json:"index"`
	// Embedding is a []float32, or a string: base64 of the same as little-endian bytes.
	Embedding any `json:"embedding"`
}

// OpenAIUsage counts tokens, special ones too; both counts are the same.
type OpenAIUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// OpenAIModels answers GET /v1/models.
type OpenAIModels struct {
	Object string        `json:"object"` // "list"
	Data   []OpenAIModel `json:"data"`
}

// OpenAIModel answers GET /v1/models/{model}.
type OpenAIModel struct {
	ID     string `json:"id"`
	Object string `json:"object"` // "model"
	// Created is when this server began, in seconds of Unix time.
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// openAIEmbeddings answers POST /v1/embeddings. No prompt but the model's default one is put before the texts.
func (s *server) openAIEmbeddings(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	var texts []string
	var opts []embeddings.EmbedOption
	name, encoding := "", "float"
	err := readBody(r, wire.Fields{
		"input": func(value json.RawMessage) (err error) {
			texts, err = openAIInput(value, s.limits.Texts)
			return err
		},
		"model": func(value json.RawMessage) (err error) {
			name, err = wire.Text("model", value)
			return err
		},
		"encoding_format": func(value json.RawMessage) (err error) {
			encoding, err = wire.Text("encoding_format", value)
			if err == nil && encoding != "float" && encoding != "base64" {
				err = fmt.Errorf(`encoding_format is %q; expected "float" or "base64"`, encoding)
			}
			return err
		},
		"dimensions": func(value json.RawMessage) error {
			dimensions, err := wire.CountOf("dimensions", value)
			opts = append(opts, embeddings.WithDimensions(dimensions))
			return err
		},
		"user": func(value json.RawMessage) error { // whom OpenAI's clients may name; nothing is done with it
			_, err := wire.String("user", value)
			return err
		},
	})
	switch {
	case err != nil:
		return nil, err
	case texts == nil:
		return nil, invalid(wire.Missing("input"))
	case name == "":
		return nil, invalid(wire.Missing("model"))
	}
	if _, err := s.openAIModel(name, model); err != nil {
		return nil, err
	}
	for i := range texts {
		if texts[i], err = s.clean(r.Context(), model, fmt.Sprintf("input[%d]", i), texts[i]); err != nil {
			return nil, err
		}
	}
	batch, err := s.service.EmbedBatch(r.Context(), texts, opts...)
	if err != nil {
		return nil, err
	}
	answer := &OpenAIEmbeddings{
		Object: "list",
		Data:   make([]OpenAIEmbedding, len(texts)),
		Model:  name,
		Usage:  OpenAIUsage{batch.TotalTokens, batch.TotalTokens},
	}
	for i, result := range batch.Results {
		answer.Data[i] = OpenAIEmbedding{"embedding", i, result.Vector}
		if encoding == "base64" {
			answer.Data[i].Embedding = base64Floats(result.Vector)
		}
	}
	return answer, nil
}

// openAIInput reads a text or a list of texts. OpenAI takes token ids too, of its own tokenizers, which no model here has.
func openAIInput(value json.RawMessage, limit int) (texts []string, err error) {
	isNumber := func(value json.RawMessage) bool { return value[0] == '-' || value[0] >= '0' && value[0] <= '9' }
	switch {
	case value[0] == '"':
		text, err := wire.Text("input", value)
		return []string{text}, err
	case value[0] != '[':
		return nil, errors.New("input is neither a string nor an array of strings")
	}
	err = wire.List("input", value, limit, func(path string, value json.RawMessage) error {
		if value[0] == '[' || isNumber(value) {
			return fmt.Errorf("%s is of an array of token ids; expected strings, because token ids mean something else to every "+
				"model (LangChain sends strings with check_embedding_ctx_length=False)", path)
		}
		text, err := wire.Text(path, value)
		texts = append(texts, text)
		return err
	})
	return texts, err
}

func base64Floats(vector []float32) string {
	bytes := make([]byte, 0, 4*len(vector))
	for _, x := range vector {
		bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(bytes)
}

// openAIModels answers GET /v1/models.
func (s *server) openAIModels(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if err := readQuery(r, nil); err != nil {
		return nil, err
	}
	answer := &OpenAIModels{Object: "list"}
	for _, name := range s.openAINames(model) {
		found, err := s.openAIModel(name, model)
		if err != nil {
			return nil, err
		}
		answer.Data = append(answer.Data, *found)
	}
	return answer, nil
}

// openAIModelInfo answers GET /v1/models/{model}.
func (s *server) openAIModelInfo(r *http.Request, model *embeddings.ModelInfo) (any, error) {
	if err := readQuery(r, nil); err != nil {
		return nil, err
	}
	return s.openAIModel(r.PathValue("model"), model)
}

func (s *server) openAINames(model *embeddings.ModelInfo) []string {
	return append([]string{model.Name}, s.aliases...)
}

func (s *server) openAIModel(name string, model *embeddings.ModelInfo) (*OpenAIModel, error) {
	names := s.openAINames(model)
	if !slices.Contains(names, name) {
		return nil, &problem{http.StatusNotFound, "model-not-found",
			fmt.Sprintf("there is no model %q; this server has %s", name, wire.Names(names))}
	}
	return &OpenAIModel{name, "model", s.started.Unix(), "qntx-embed"}, nil
}
