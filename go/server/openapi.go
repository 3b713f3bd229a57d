package server

import (
	_ "embed"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// openAPIDocument describes the routes. What depends on the model or the configuration is in it as it is for
// all-MiniLM-L6-v2 and the defaults.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI answers GET /openapi.json: the document, with what this server takes.
func (s *server) openAPI(w http.ResponseWriter, r *http.Request) {
	if err := readQuery(r, nil); err != nil {
		s.sendError(w, r, err)
		return
	}
	var document map[string]any
	if err := json.Unmarshal(openAPIDocument, &document); err != nil {
		s.sendError(w, r, err)
		return
	}
	// Without a model the document is as it stands.
	if model, err := s.config.Service.ModelInfo(r.Context()); err == nil {
		s.specialise(document, model)
	}
	s.send(w, r, http.StatusOK, "application/json", document)
}

func (s *server) specialise(document map[string]any, model *embeddings.ModelInfo) {
	if s.config.Keys != nil {
		document["security"] = []any{map[string]any{"key": []any{}}} // no longer just as one likes
	}
	schemas := document["components"].(map[string]any)["schemas"].(map[string]any)
	for name, set := range map[string]struct {
		keyword string
		value   any
	}{
		"Text":        {"maxLength", s.limits.textChars(model)},
		"Dimensions":  {"maximum", model.FullDimensions},
		"ChunkTokens": {"maximum", model.MaxTokens},
		"PromptName":  {"enum", slices.Sorted(maps.Keys(model.Prompts))},
		"ModelName":   {"enum", s.openAINames(model)},
		"Texts":       {"maxItems", s.limits.Texts},
		"Items":       {"maxItems", s.limits.Texts},
		"Ids":         {"maxItems", s.limits.Texts},
	} {
		schemas[name].(map[string]any)[set.keyword] = set.value
	}
}
