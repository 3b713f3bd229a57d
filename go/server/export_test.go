package server

import (
	"context"
	"net/http"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Projection is what makes a map.
type Projection = projection

// NewWithProjection is New with maps that this makes, not the native library, of so many points at most.
func NewWithProjection(config Config, most int,
	project func(ctx context.Context, vectors [][]float32, progress func(done, total int)) (Projection, error)) http.Handler {
	s := newServer(config)
	s.maps.most, s.maps.project = most, project
	return s.handle()
}

var _ projection = (*embeddings.Projection)(nil)

// Routes are method and path of each, for the test that compares them with openapi.json.
func Routes(config Config) (routes []string) {
	s := newServer(config)
	for _, route := range s.routes() {
		routes = append(routes, route.method+" "+route.path)
	}
	return routes
}
