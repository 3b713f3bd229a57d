package server_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

type openAPI struct {
	Paths map[string]map[string]struct {
		OperationID string         `json:"operationId"`
		Responses   map[string]any `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
}

func TestTheDocumentHasTheRoutesThatThereAre(t *testing.T) {
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document openAPI
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	var described []string
	ids := map[string]bool{}
	for path, operations := range document.Paths {
		for method, operation := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
			if operation.OperationID == "" || ids[operation.OperationID] || operation.Responses["200"] == nil {
				t.Errorf("%s %s: operationId %q, responses %v", method, path, operation.OperationID, operation.Responses)
			}
			ids[operation.OperationID] = true
		}
	}
	routes := server.Routes(server.Config{Service: new(embedtest.Service)})
	for i, route := range routes {
		routes[i] = strings.ReplaceAll(route, "...}", "}")
	}
	slices.Sort(described)
	slices.Sort(routes)
	if !slices.Equal(described, routes) {
		t.Errorf("openapi.json has %q, the server %q", described, routes)
	}
}

func TestTheServedDocumentSaysWhatTheModelTakes(t *testing.T) {
	h := newHost(withAlias, func(c *server.Config) { c.Limits.Texts = 7 })
	var document openAPI
	if err := json.Unmarshal(h.get("/openapi.json").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	schemas := document.Components.Schemas
	names, _ := json.Marshal(schemas["ModelName"]["enum"])
	prompts, _ := json.Marshal(schemas["PromptName"]["enum"])
	if string(names) != `["fake","text-embedding-3-small","org/model"]` || string(prompts) != `["document","query","shout"]` ||
		schemas["Text"]["maxLength"] != 8000.0 || schemas["Dimensions"]["maximum"] != 64.0 || schemas["Items"]["maxItems"] != 7.0 {
		t.Errorf("%s %s %v", names, prompts, schemas["Items"])
	}
}
