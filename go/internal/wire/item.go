package wire

import (
	"encoding/json"
	"fmt"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Item reads {"source_type", "source_id", "text"}, three texts, all needed, and optionally "metadata", a flat object. path
// names the item in errors; it is empty for the document itself.
func Item(path string, value json.RawMessage) (embeddings.Item, error) {
	join := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	var item embeddings.Item
	fields := Fields{
		"metadata": func(value json.RawMessage) (err error) {
			item.Metadata, err = Metadata(join("metadata"), value)
			return err
		},
	}
	needed := []struct {
		name  string
		place *string
	}{
		{"source_type", &item.SourceType},
		{"source_id", &item.SourceID},
		{"text", &item.Text},
	}
	for _, field := range needed {
		fields[field.name] = func(value json.RawMessage) (err error) {
			*field.place, err = Text(join(field.name), value)
			return err
		}
	}
	if err := Object(path, value, fields); err != nil {
		return embeddings.Item{}, err
	}
	for _, field := range needed {
		if *field.place == "" {
			return embeddings.Item{}, Missing(join(field.name))
		}
	}
	return item, nil
}

// Metadata reads a flat object of strings, numbers, booleans and nulls.
func Metadata(path string, value json.RawMessage) (embeddings.Metadata, error) {
	if kind(value) != "an object" {
		return nil, mismatch(path, value, "an object")
	}
	metadata, err := embeddings.ParseMetadata(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return metadata, nil
}

// Chunking reads {"max_tokens", "overlap"}, both of which may be left out: how texts are split.
func Chunking(path string, value json.RawMessage) (*embeddings.Chunking, error) {
	chunking := new(embeddings.Chunking)
	field := func(name string, to *int) func(json.RawMessage) error {
		return func(value json.RawMessage) (err error) {
			*to, err = CountOf(path+"."+name, value)
			return err
		}
	}
	err := Object(path, value, Fields{
		"max_tokens": field("max_tokens", &chunking.MaxTokens),
		"overlap":    field("overlap", &chunking.Overlap),
	})
	return chunking, err
}
