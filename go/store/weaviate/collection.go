package weaviate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/weaviate/weaviate/entities/models"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// collection is what one model's rows are in.
type collection struct {
	name        string
	fingerprint string
	dimensions  int
	// replicated says that there is more than one replica; without, the engine knows no levels of consistency in its queries.
	replicated bool
	properties map[string]bool // never changed: a new key of metadata makes a new collection value
}

// description is what a collection says of itself, as JSON: its name has only a hash of the fingerprint.
type description struct {
	Format      int    `json:"qntx_embed_format"`
	Fingerprint string `json:"fingerprint"`
	Dimensions  int    `json:"dimensions"`
}

// format is that of rows and properties; one that is newer is left alone.
const format = 1

// The properties that every collection has.
const (
	rowProperty   = "row"        // the row as JSON: what all others follow from, but for the text
	textProperty  = "text"       // for words
	orderProperty = "list_order" // for lists: see order
)

var fields = []embeddings.Field{
	embeddings.FieldID, embeddings.FieldSourceType, embeddings.FieldSourceID, embeddings.FieldModel, embeddings.FieldChunk,
	embeddings.FieldCreatedAt, embeddings.FieldUpdatedAt,
}

// nameOf is the collection of a fingerprint, which may have any characters.
func (s *Store) nameOf(fingerprint string) string {
	sum := sha256.Sum256([]byte(fingerprint))
	return s.settings.prefix + "_" + hex.EncodeToString(sum[:20])
}

// collection gives that of a fingerprint; nil where there is none.
func (s *Store) collection(ctx context.Context, fingerprint string) (*collection, error) {
	s.mu.Lock()
	known := s.collections[fingerprint]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return s.refresh(ctx, fingerprint)
}

// refresh asks the engine for it.
func (s *Store) refresh(ctx context.Context, fingerprint string) (*collection, error) {
	var found *collection
	err := s.retry(ctx, "read the schema", func() error {
		class, err := s.client.Schema().ClassGetter().WithClassName(s.nameOf(fingerprint)).Do(ctx)
		if statusOf(err) == http.StatusNotFound {
			return nil
		}
		if err == nil {
			found, err = readCollection(class)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if found != nil && found.fingerprint != fingerprint {
		return nil, fmt.Errorf("%w: the collection %s is of fingerprint %q, expected %q", embeddings.ErrStore, found.name,
			found.fingerprint, fingerprint)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found == nil {
		delete(s.collections, fingerprint)
	} else {
		s.collections[fingerprint] = found
	}
	return found, nil
}

func readCollection(class *models.Class) (*collection, error) {
	var of description
	if err := json.Unmarshal([]byte(class.Description), &of); err != nil || of.Format == 0 {
		return nil, fmt.Errorf("%w: the collection %s is not one of qntx-embed: its description is %q", embeddings.ErrStore, class.Class,
			class.Description)
	}
	if of.Format > format {
		return nil, fmt.Errorf("%w: the collection %s has format %d; this version knows %d", embeddings.ErrStoreVersion, class.Class,
			of.Format, format)
	}
	replicated := class.ReplicationConfig != nil && class.ReplicationConfig.Factor > 1
	c := &collection{class.Class, of.Fingerprint, of.Dimensions, replicated, map[string]bool{}}
	for _, property := range class.Properties {
		c.properties[property.Name] = true
	}
	return c, nil
}

// all gives the collections of every model, in the order of their names. Other servers make collections too, so the
// engine is asked each time.
func (s *Store) all(ctx context.Context) (found []*collection, err error) {
	err = s.retry(ctx, "read the schema", func() error {
		found = nil
		dump, err := s.client.Schema().Getter().Do(ctx)
		if err != nil {
			return err
		}
		for _, class := range dump.Classes {
			if !strings.HasPrefix(class.Class, s.settings.prefix+"_") {
				continue
			}
			c, err := readCollection(class)
			if err != nil {
				return err
			}
			found = append(found, c)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b *collection) int { return strings.Compare(a.name, b.name) })
	return found, err
}

// of gives the collections of a fingerprint, or all where it is empty.
func (s *Store) of(ctx context.Context, fingerprint string) ([]*collection, error) {
	if fingerprint == "" {
		return s.all(ctx)
	}
	c, err := s.collection(ctx, fingerprint)
	if err != nil || c == nil {
		return nil, err
	}
	return []*collection{c}, nil
}

// forget makes the next call ask the engine.
func (s *Store) forget(fingerprint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.collections, fingerprint)
}

// create makes the collection of a fingerprint, unless another client was faster.
func (s *Store) create(ctx context.Context, fingerprint string, dimensions int) (*collection, error) {
	err := s.retry(ctx, "create a collection", func() error {
		err := s.client.Schema().ClassCreator().WithClass(s.class(fingerprint, dimensions)).Do(ctx)
		if statusOf(err) == http.StatusUnprocessableEntity && strings.Contains(err.Error(), "already exists") {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var found *collection
	err = s.retry(ctx, "find the collection that it has created", func() (err error) {
		if found, err = s.refresh(ctx, fingerprint); err == nil && found == nil {
			err = &failure{http.StatusOK, "class not found: the schema is on its way"}
		}
		return err
	})
	return found, err
}

func (s *Store) class(fingerprint string, dimensions int) *models.Class {
	of, _ := json.Marshal(description{format, fingerprint, dimensions}) // strings and numbers
	no, yes := false, true
	class := &models.Class{
		Class:           s.nameOf(fingerprint),
		Description:     string(of),
		Vectorizer:      "none",
		VectorIndexType: "hnsw",
		VectorIndexConfig: map[string]any{
			"distance": "cosine", "ef": s.settings.index.ef, "efConstruction": s.settings.index.construction,
			"maxConnections": s.settings.index.connections,
		},
		ShardingConfig: map[string]any{"desiredCount": s.settings.shards},
		ReplicationConfig: &models.ReplicationConfig{
			Factor: int64(s.settings.replicas),
			// A replica that was away gets what it has missed, and what was deleted stays so.
			AsyncEnabled:     s.settings.replicas > 1,
			DeletionStrategy: models.ReplicationConfigDeletionStrategyTimeBasedResolution,
		},
		InvertedIndexConfig: &models.InvertedIndexConfig{
			Bm25:      &models.BM25Config{K1: 1.2, B: 0.75},
			Stopwords: &models.StopwordConfig{Preset: "none"}, // "in" and "the" are words
		},
		Properties: []*models.Property{
			{Name: rowProperty, DataType: []string{"text"}, Tokenization: "field", IndexFilterable: &no, IndexSearchable: &no},
			{Name: textProperty, DataType: []string{"text"}, Tokenization: "word", IndexFilterable: &no, IndexSearchable: &yes},
			{Name: orderProperty, DataType: []string{"number"}, IndexFilterable: &yes, IndexRangeFilters: &yes},
		},
	}
	if q := s.settings.index.quantisation; q != "" {
		config, _ := class.VectorIndexConfig.(map[string]any)
		for _, name := range []string{"sq", "bq", "rq"} {
			config[name] = map[string]any{"enabled": name == q}
		}
	}
	for _, field := range fields {
		class.Properties = append(class.Properties, filterable(fieldProperty(field), ""))
	}
	return class
}

// filterable is a property whose values are those of encode.
func filterable(name, about string) *models.Property {
	no, yes := false, true
	return &models.Property{
		Name: name, Description: about, DataType: []string{"text"}, Tokenization: "field", IndexFilterable: &yes, IndexSearchable: &no,
	}
}

// withKeys adds properties for keys of metadata that no row had before.
func (s *Store) withKeys(ctx context.Context, c *collection, keys map[string]bool) (*collection, error) {
	missing := func() (names []string) {
		for key := range keys {
			if !c.properties[metaProperty(key)] {
				names = append(names, key)
			}
		}
		slices.Sort(names)
		return names
	}
	if len(missing()) == 0 {
		return c, nil
	}
	c, err := s.refresh(ctx, c.fingerprint)
	if err == nil && c == nil {
		err = fmt.Errorf("%w: a collection was deleted during the call", embeddings.ErrStore)
	}
	if err != nil {
		return nil, err
	}
	for _, key := range missing() {
		property := filterable(metaProperty(key), key)
		err := s.retry(ctx, "add a property", func() error {
			err := s.client.Schema().PropertyCreator().WithClassName(c.name).WithProperty(property).Do(ctx)
			if statusOf(err) == http.StatusUnprocessableEntity && (strings.Contains(err.Error(), "already") ||
				strings.Contains(err.Error(), "conflict")) {
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		wider := *c
		wider.properties = maps.Clone(c.properties)
		wider.properties[property.Name] = true
		c = &wider
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collections[c.fingerprint] = c
	return c, nil
}

// knows says whether any row may have a key of metadata; it asks the engine about one that it does not know, which
// another client may have added.
func (s *Store) knows(ctx context.Context, c *collection, key string) (bool, error) {
	name := metaProperty(key)
	if c.properties[name] {
		return true, nil
	}
	s.mu.Lock()
	newer := s.collections[c.fingerprint]
	s.mu.Unlock()
	if newer != nil && newer.properties[name] {
		return true, nil
	}
	newer, err := s.refresh(ctx, c.fingerprint)
	if err != nil || newer == nil {
		return false, err
	}
	return newer.properties[name], nil
}

// otherSize refuses vectors of another size than a collection has.
func (c *collection) otherSize(dimensions int) error {
	return fmt.Errorf("vectors of %d dimensions for fingerprint %q, whose collection %s in Weaviate has %d dimensions, and can have no others "+
		"(%w); give vectors of other dimensions a fingerprint of their own, or use a SQLite file", dimensions, c.fingerprint, c.name,
		c.dimensions, errors.ErrUnsupported)
}
