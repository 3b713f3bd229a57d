package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Record reads a row with its vector, as qntx-embed list prints it: "source_type", "source_id", "text", "fingerprint" and
// "vector" are needed. What the store sets itself ("created_at", "updated_at") may be there and is not read; "dimensions" may
// be there and must be the vector's.
func Record(value json.RawMessage) (embeddings.Record, error) {
	var r embeddings.Record
	dimensions := -1
	text := func(name string, to *string) func(json.RawMessage) error {
		return func(value json.RawMessage) (err error) {
			*to, err = String(name, value)
			return err
		}
	}
	number := func(name string, to *int) func(json.RawMessage) error {
		return func(value json.RawMessage) error {
			literal, err := Number(name, value)
			if err != nil {
				return err
			}
			n, err := strconv.ParseInt(literal, 10, 0)
			if err != nil || n < 0 {
				return fmt.Errorf("%s is %s; expected an integer of 0 or more", name, literal)
			}
			*to = int(n)
			return nil
		}
	}
	unread := func(json.RawMessage) error { return nil }
	err := Object("", value, Fields{
		"id":          text("id", &r.ID),
		"source_type": text("source_type", &r.SourceType),
		"source_id":   text("source_id", &r.SourceID),
		"text":        text("text", &r.Text),
		"model":       text("model", &r.Model),
		"fingerprint": text("fingerprint", &r.Fingerprint),
		"chunk":       number("chunk", &r.Chunk),
		"chunk_start": number("chunk_start", &r.ChunkStart),
		"chunk_end":   number("chunk_end", &r.ChunkEnd),
		"dimensions":  number("dimensions", &dimensions),
		"created_at":  unread,
		"updated_at":  unread,
		"metadata": func(value json.RawMessage) (err error) {
			r.Metadata, err = Metadata("metadata", value)
			return err
		},
		"vector": func(value json.RawMessage) (err error) {
			r.Vector, err = vector("vector", value)
			return err
		},
	})
	if err != nil {
		return embeddings.Record{}, err
	}
	for _, needed := range []struct{ name, value string }{
		{"source_type", r.SourceType}, {"source_id", r.SourceID}, {"text", r.Text}, {"fingerprint", r.Fingerprint},
	} {
		if needed.value == "" {
			return embeddings.Record{}, Missing(needed.name)
		}
	}
	if r.Vector == nil {
		return embeddings.Record{}, Missing("vector")
	}
	if dimensions >= 0 && dimensions != len(r.Vector) {
		return embeddings.Record{}, fmt.Errorf("dimensions is %d, but the vector has %d components", dimensions, len(r.Vector))
	}
	return r, nil
}

// maxDimensions is the store's.
const maxDimensions = 8192

// vector reads an array of numbers.
func vector(path string, value json.RawMessage) (components []float32, err error) {
	err = List(path, value, maxDimensions, func(path string, value json.RawMessage) error {
		literal, err := Number(path, value)
		if err != nil {
			return err
		}
		x, err := strconv.ParseFloat(literal, 32)
		if err != nil || math.IsInf(x, 0) {
			return fmt.Errorf("%s is %s, which is out of range", path, literal)
		}
		components = append(components, float32(x))
		return nil
	})
	return components, err
}
