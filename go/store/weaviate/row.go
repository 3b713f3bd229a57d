package weaviate

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/google/uuid"
	"github.com/weaviate/weaviate/entities/models"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// row is what is stored of an embedding beside its text and its vector; the model's fingerprint is the collection's.
type row struct {
	ID         string              `json:"id"`
	SourceType string              `json:"source_type"`
	SourceID   string              `json:"source_id"`
	Chunk      int                 `json:"chunk"`
	ChunkStart int                 `json:"chunk_start"`
	ChunkEnd   int                 `json:"chunk_end"`
	Model      string              `json:"model"`
	Metadata   embeddings.Metadata `json:"metadata,omitempty"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
}

// space is that of this project's ids; made once, at random.
var space = uuid.MustParse("6a5c3b52-6d0e-4f0c-9d3b-5b8b7f1f0c7e")

// objectID is the engine's id of a row: what is written twice is written to one place.
func objectID(r *embeddings.Record) string {
	// Lengths in front, so that no two rows have one name.
	name := fmt.Sprintf("%d:%s%d:%s%d:%d:%s", len(r.SourceType), r.SourceType, len(r.SourceID), r.SourceID, r.Chunk, len(r.Fingerprint),
		r.Fingerprint)
	return uuid.NewSHA1(space, []byte(name)).String()
}

// object is an embedding as the engine keeps it.
func (c *collection) object(e *embeddings.Embedding) (*models.Object, error) {
	written, err := json.Marshal(row{e.ID, e.SourceType, e.SourceID, e.Chunk, e.ChunkStart, e.ChunkEnd, e.Model, e.Metadata,
		e.CreatedAt, e.UpdatedAt})
	if err != nil {
		return nil, err
	}
	properties := map[string]any{
		rowProperty: string(written), textProperty: e.Text, orderProperty: order(e.ID),
	}
	for field, value := range map[embeddings.Field]any{
		embeddings.FieldID: e.ID, embeddings.FieldSourceType: e.SourceType, embeddings.FieldSourceID: e.SourceID,
		embeddings.FieldModel: e.Model, embeddings.FieldChunk: int64(e.Chunk),
		embeddings.FieldCreatedAt: store.Timestamp(e.CreatedAt), embeddings.FieldUpdatedAt: store.Timestamp(e.UpdatedAt),
	} {
		_, properties[fieldProperty(field)] = encode(value)
	}
	for key, value := range e.Metadata {
		_, properties[metaProperty(key)] = encode(value)
	}
	return &models.Object{
		Class: c.name, ID: strfmt.UUID(objectID(&e.Record)), Properties: properties, Vector: models.C11yVector(e.Vector),
	}, nil
}

// embedding reads what object has written.
func (c *collection) embedding(properties map[string]any, vector []float32) (*embeddings.Embedding, error) {
	written, _ := properties[rowProperty].(string)
	text, _ := properties[textProperty].(string)
	var r row
	if err := json.Unmarshal([]byte(written), &r); err != nil {
		return nil, fmt.Errorf("%w: a row of the collection %s cannot be read: %w", embeddings.ErrStore, c.name, err)
	}
	return &embeddings.Embedding{
		Record: embeddings.Record{
			ID: r.ID, SourceType: r.SourceType, SourceID: r.SourceID, Chunk: r.Chunk, ChunkStart: r.ChunkStart, ChunkEnd: r.ChunkEnd,
			Text: text, Model: r.Model, Fingerprint: c.fingerprint, Metadata: r.Metadata, Vector: vector,
		},
		Dimensions: c.dimensions,
		CreatedAt:  r.CreatedAt,
		UpdatedAt:  r.UpdatedAt,
	}, nil
}
