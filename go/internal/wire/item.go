package wire

import (
	"encoding/json"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Item reads {"source_type", "source_id", "text"}: three texts, all needed. path names the item in errors; it is empty
// for the document itself.
func Item(path string, value json.RawMessage) (embeddings.Item, error) {
	join := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	var item embeddings.Item
	fields := Fields{}
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
