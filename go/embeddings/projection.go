package embeddings

import (
	"context"
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Point is a place on a [Projection]: both coordinates are from -1 to 1.
type Point struct {
	X float32 `json:"x"`
	Y float32 `json:"y"`
}

// Projection is a map of vectors: a point for each, and what means the same lies together. It does not change; any number of
// goroutines may use it at once.
type Projection struct {
	vectors    []float32
	dimensions int
	points     []float32
}

// Project makes a map of vectors, which are all of one length: principal components, then t-SNE. The same vectors have the
// same map. They are taken at unit length, and copied. One thread of the library computes, for seconds where there are 10,000
// of them; progress, where it is not nil, is told how many steps of how many are done, on the caller's goroutine. A context that is
// done ends it with ErrCancelled.
//
// Vectors of different lengths are an ErrDimensions, components that are not finite an ErrInvalidArgument.
func Project(ctx context.Context, vectors [][]float32, progress func(done, total int)) (*Projection, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	p := &Projection{dimensions: 1}
	if len(vectors) > 0 {
		p.dimensions = len(vectors[0])
	}
	p.vectors = make([]float32, 0, len(vectors)*p.dimensions)
	for i, vector := range vectors {
		if len(vector) != p.dimensions || len(vector) == 0 {
			return nil, dimensions("vector %d has %d dimensions; expected %d, as many as the first", i, len(vector), max(p.dimensions, 1))
		}
		p.vectors = append(p.vectors, vector...)
	}
	var err error
	p.points, err = capi.Project(ctx, p.vectors, p.dimensions, progress)
	if err != nil {
		return nil, public(err)
	}
	return p, nil
}

// Len is how many points there are.
func (p *Projection) Len() int { return len(p.points) / 2 }

// At is the point of a vector, in the order in which they came.
func (p *Projection) At(i int) Point { return Point{p.points[2*i], p.points[2*i+1]} }

// Place says where another vector lies, without making the map anew: between the points of its nearest, the nearer the more
// they count. One of the map's own lies on its point. A map without points is an ErrInvalidArgument.
func (p *Projection) Place(vector []float32) (Point, error) {
	if len(vector) != p.dimensions && p.Len() > 0 {
		return Point{}, dimensions("the vector has %d dimensions, those of the map have %d", len(vector), p.dimensions)
	}
	if p.Len() == 0 {
		return Point{}, invalid("the map has no points to place another between")
	}
	point, err := capi.Place(p.vectors, p.dimensions, p.points, vector)
	return Point{point[0], point[1]}, public(err)
}

func dimensions(format string, args ...any) error {
	return &Error{Code: Code(capi.Dimensions), Message: fmt.Sprintf(format, args...)}
}

// Revision is a number that is greater after every change of rows, also by another process: what was computed from the rows
// holds as long as it is the same. It survives closing.
func (s *EmbeddingStore) Revision(ctx context.Context) (uint64, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	revision, err := s.native.Revision()
	return revision, public(err)
}
