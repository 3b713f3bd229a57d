package embeddings

import (
	"context"
	"fmt"
	"time"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Store keeps texts with their vectors and finds the nearest. [EmbeddingStore] is one; another engine can take its
// place. Any number of goroutines may use a store at once.
type Store interface {
	// Put stores records, all or none, and says of each what was done. A source and fingerprint that has a row gets
	// the new text and vector in it; of equal ones in one call the last stays.
	Put(ctx context.Context, records []Record) ([]Outcome, error)
	// Get gives the row of a source that the model of this fingerprint made; ErrNotFound where there is none.
	Get(ctx context.Context, sourceType, sourceID, fingerprint string) (*Embedding, error)
	// Delete deletes all rows of a source, of every model, and gives how many there were; none is no error.
	Delete(ctx context.Context, sourceType, sourceID string) (int, error)
	// Search gives the rows nearest to a vector, best first.
	Search(ctx context.Context, query []float32, options SearchOptions) ([]Match, error)
	// Count is how many rows there are, of all models.
	Count(ctx context.Context) (int, error)
}

var _ Store = (*EmbeddingStore)(nil)

// Record is a text with its vector, to be stored under its source.
type Record struct {
	// SourceType is what kind of thing the text comes from, and SourceID which of them. Neither may be empty; together
	// with Fingerprint they name a row.
	SourceType, SourceID string
	// Text is given back by searches. Not empty.
	Text string
	// Model is the name of the model that made the vector, for people.
	Model string
	// Fingerprint is the model's (see [ModelInfo]). Not empty.
	Fingerprint string
	// Vector has finite components that are not all zero.
	Vector []float32
}

// Embedding is a stored row.
type Embedding struct {
	// ID is a UUIDv7, given when the row was first stored.
	ID string
	// Record is the row's content, as it was put.
	Record
	// CreatedAt is when the row was first stored, in UTC.
	CreatedAt time.Time
	// UpdatedAt is when it was last replaced, in UTC.
	UpdatedAt time.Time
}

// Outcome is what Put did with a record.
type Outcome int

const (
	// Inserted: there was no row of this source and model.
	Inserted = Outcome(capi.Inserted)
	// Replaced: there was one; it keeps its id and creation time.
	Replaced = Outcome(capi.Replaced)
	// Unchanged: there was one with the same text and vector.
	Unchanged = Outcome(capi.Unchanged)
)

// String is the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case Inserted:
		return "inserted"
	case Replaced:
		return "replaced"
	case Unchanged:
		return "unchanged"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// SearchOptions says what to search for.
type SearchOptions struct {
	// Fingerprint is that of the model that made the query; only its rows are searched. Not empty.
	Fingerprint string
	// Limit is how many rows are wanted at most, 1 to 10,000; 0 is 10.
	Limit int
	// Threshold is the least cosine, -1 to 1. Zero is a threshold too: unrelated texts lie around it.
	Threshold float32
}

// Match is a row that a search found.
type Match struct {
	// Embedding is the row.
	Embedding
	// Similarity is the cosine to the query, -1 to 1.
	Similarity float32
	// Distance is L2 between the two at unit length: Similarity = 1 - Distance*Distance/2.
	Distance float32
}

// EmbeddingStore is a SQLite file with the tables embeddings and vec_embeddings. Any number of goroutines may use it at
// once; writers wait for each other. The file must not be open through another copy of SQLite in the same process,
// such as a database/sql driver's: they would destroy it.
type EmbeddingStore struct {
	native *capi.Store
}

// StoreOption changes how [OpenEmbeddingStore] opens a store.
type StoreOption func(*capi.StoreOptions) error

// WithMaxResidentBytes sets how much memory the resident indexes may take together, one for each model and size of vectors
// that is searched often: about 1,000 bytes for a row of 384 dimensions. Where more is needed, searches give the same, and take
// longer. The default, 0, is 2 GiB; 1 keeps nothing in memory.
func WithMaxResidentBytes(bytes int) StoreOption {
	return func(o *capi.StoreOptions) error {
		if bytes < 0 {
			return invalid("WithMaxResidentBytes(%d): expected 0 (for 2 GiB) or more bytes", bytes)
		}
		o.MaxResidentBytes = bytes
		return nil
	}
}

// OpenEmbeddingStore opens a database file, makes it where it is missing, and brings it to this version's schema. A
// file of a newer version is left as it is: ErrStoreVersion. ":memory:" is a store that is gone when it is closed.
func OpenEmbeddingStore(path string, options ...StoreOption) (*EmbeddingStore, error) {
	if path == "" {
		return nil, invalid("the path of the database is empty")
	}
	var chosen capi.StoreOptions
	for _, option := range options {
		if err := option(&chosen); err != nil {
			return nil, err
		}
	}
	native, err := capi.OpenStore(path, chosen)
	if err != nil {
		return nil, public(err)
	}
	return &EmbeddingStore{native: native}, nil
}

// Put stores records, all or none, in one transaction that is on disk when the call returns, and says of each what was
// done. A source and fingerprint that has a row gets the new text and vector in it; of equal ones in one call the last
// stays.
func (s *EmbeddingStore) Put(ctx context.Context, records []Record) ([]Outcome, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	native := make([]capi.Record, len(records))
	for i, record := range records {
		native[i] = capi.Record(record)
	}
	done, err := s.native.Put(native)
	if err != nil {
		return nil, public(err)
	}
	outcomes := make([]Outcome, len(done))
	for i, outcome := range done {
		outcomes[i] = Outcome(outcome)
	}
	return outcomes, nil
}

// Save is Put of one record, without a context.
func (s *EmbeddingStore) Save(record Record) (Outcome, error) {
	outcomes, err := s.SaveBatch([]Record{record})
	if err != nil {
		return 0, err
	}
	return outcomes[0], nil
}

// SaveBatch is Put without a context.
func (s *EmbeddingStore) SaveBatch(records []Record) ([]Outcome, error) {
	return s.Put(context.Background(), records)
}

// Get gives the row of a source that the model of this fingerprint made; ErrNotFound where there is none.
func (s *EmbeddingStore) Get(ctx context.Context, sourceType, sourceID, fingerprint string) (*Embedding, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	row, err := s.native.Get(sourceType, sourceID, fingerprint)
	if err != nil {
		return nil, public(err)
	}
	return stored(row)
}

// GetBySource is Get without a context.
func (s *EmbeddingStore) GetBySource(sourceType, sourceID, fingerprint string) (*Embedding, error) {
	return s.Get(context.Background(), sourceType, sourceID, fingerprint)
}

// Delete deletes all rows of a source, of every model, and gives how many there were; none is no error.
func (s *EmbeddingStore) Delete(ctx context.Context, sourceType, sourceID string) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	deleted, err := s.native.Delete(sourceType, sourceID)
	return deleted, public(err)
}

// DeleteBySource is Delete without a context.
func (s *EmbeddingStore) DeleteBySource(sourceType, sourceID string) (int, error) {
	return s.Delete(context.Background(), sourceType, sourceID)
}

// Search gives the rows nearest to a vector, best first, equals by id. The threshold applies before the limit.
func (s *EmbeddingStore) Search(ctx context.Context, query []float32, options SearchOptions) ([]Match, error) {
	if options.Limit < 0 {
		return nil, invalid("limit %d: expected 1 to 10,000, or 0 for 10", options.Limit)
	}
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	rows, err := s.native.Search(query, capi.SearchOptions(options))
	if err != nil {
		return nil, public(err)
	}
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	matches := make([]Match, len(rows))
	for i, row := range rows {
		embedding, err := stored(row)
		if err != nil {
			return nil, err
		}
		matches[i] = Match{Embedding: *embedding, Similarity: row.Similarity, Distance: row.Distance}
	}
	return matches, nil
}

// SemanticSearch is Search without a context.
func (s *EmbeddingStore) SemanticSearch(query []float32, options SearchOptions) ([]Match, error) {
	return s.Search(context.Background(), query, options)
}

// Count is how many rows there are, of all models.
func (s *EmbeddingStore) Count(ctx context.Context) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	count, err := s.native.Count()
	return count, public(err)
}

// Close closes the file when no call uses it any more. Later calls give ErrClosed; a second Close does nothing.
func (s *EmbeddingStore) Close() error {
	return s.native.Close()
}

func stored(row capi.Row) (*Embedding, error) {
	created, err := time.Parse(time.RFC3339, row.CreatedAt)
	if err != nil {
		return nil, fmt.Errorf("%w: created_at of row %s: %w", ErrStore, row.ID, err)
	}
	updated, err := time.Parse(time.RFC3339, row.UpdatedAt)
	if err != nil {
		return nil, fmt.Errorf("%w: updated_at of row %s: %w", ErrStore, row.ID, err)
	}
	return &Embedding{
		ID: row.ID,
		Record: Record{
			SourceType:  row.SourceType,
			SourceID:    row.SourceID,
			Text:        row.Text,
			Model:       row.Model,
			Fingerprint: row.Fingerprint,
			Vector:      row.Vector,
		},
		CreatedAt: created,
		UpdatedAt: updated,
	}, nil
}
