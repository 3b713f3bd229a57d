package embeddings

import (
	"context"
	"iter"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Store keeps texts with their vectors and finds them again. [EmbeddingStore] is one; another engine can take its place:
// what stands here is what all of them do, and embedtest.TestStore of this module is how that is proved. What an engine
// cannot do it refuses, with an error that matches [errors.ErrUnsupported]; it does nothing less than what was asked for.
// Any number of goroutines may use a store at once.
type Store interface {
	// Put stores records, all or none, and says of each what was done. A source, chunk and fingerprint that has a row
	// gets the new content in it; of equal ones in one call the last stays.
	Put(ctx context.Context, records []Record) ([]Outcome, error)
	// Has says of each record whether its text is there already, under its source, chunk and fingerprint, so that Put
	// takes it without a vector.
	Has(ctx context.Context, records []Record) ([]bool, error)
	// Get gives the row of an id; ErrNotFound where there is none.
	Get(ctx context.Context, id string) (*Embedding, error)
	// GetBySource gives all chunks of a source, in their order: of the model of this fingerprint or, where it is empty,
	// of all. ErrNotFound where there is none.
	GetBySource(ctx context.Context, sourceType, sourceID, fingerprint string) ([]Embedding, error)
	// List gives rows in the order of their ids; an error is the last that is given.
	List(ctx context.Context, options ListOptions) iter.Seq2[*Embedding, error]
	// Count is how many rows are selected; Selection{} is all.
	Count(ctx context.Context, selection Selection) (int, error)
	// Search gives the rows nearest to a vector, or those with words, or both as the options say: best first.
	Search(ctx context.Context, query []float32, options SearchOptions) ([]Match, error)
	// Delete deletes the rows of ids, all or none, and gives how many there were; none is no error.
	Delete(ctx context.Context, ids ...string) (int, error)
	// DeleteBySource deletes all chunks of a source, of every model, and gives how many rows there were; none is no
	// error.
	DeleteBySource(ctx context.Context, sourceType, sourceID string) (int, error)
	// DeleteWhere deletes the rows that pass a filter and gives how many there were. The zero Filter is an
	// ErrInvalidArgument: And() is all rows.
	DeleteWhere(ctx context.Context, filter Filter) (int, error)
}

var _ Store = (*EmbeddingStore)(nil)

// EmbeddingStore is a SQLite file with the tables embeddings and vec_embeddings. Any number of goroutines may use it at
// once; writers wait for each other. The file must not be open through another copy of SQLite in the same process,
// such as a database/sql driver's: they would destroy it.
//
// What it does beside [Store] is a file's: Stats, Verify, Repair, Backup, Optimize, and Explain of a search.
type EmbeddingStore struct {
	native *capi.Store
}

// OpenEmbeddingStore opens a database file, makes it where it is missing, and brings it to this version's schema. A
// file of a newer version is left as it is: ErrStoreVersion. ":memory:" is a store that is gone when it is closed.
func OpenEmbeddingStore(path string) (*EmbeddingStore, error) {
	if path == "" {
		return nil, invalid("the path of the database is empty")
	}
	native, err := capi.OpenStore(path)
	if err != nil {
		return nil, public(err)
	}
	return &EmbeddingStore{native: native}, nil
}

// Put stores records, all or none, in one transaction that is on disk when the call returns, and says of each what was
// done. A source, chunk and fingerprint that has a row gets the new content in it, and keeps its id and creation time; of
// equal ones in one call the last stays. The records are read during the call; nothing of them is kept.
func (s *EmbeddingStore) Put(ctx context.Context, records []Record) ([]Outcome, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	native, err := nativeRecords(records)
	if err != nil {
		return nil, err
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

// Has says of each record whether its text is there already, under its source, chunk and fingerprint, so that Put takes
// it without a vector and it need not be embedded again. Only these fields of a record count, and, where it has a vector,
// how many components that has: the row's must have as many.
func (s *EmbeddingStore) Has(ctx context.Context, records []Record) ([]bool, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	native, err := nativeRecords(records)
	if err != nil {
		return nil, err
	}
	has, err := s.native.Has(native)
	return has, public(err)
}

// Delete deletes the rows of ids, all or none, and gives how many there were; none is no error.
func (s *EmbeddingStore) Delete(ctx context.Context, ids ...string) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	deleted, err := s.native.DeleteIDs(ids)
	return deleted, public(err)
}

// DeleteBySource deletes all chunks of a source, of every model, and gives how many rows there were; none is no error.
func (s *EmbeddingStore) DeleteBySource(ctx context.Context, sourceType, sourceID string) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	deleted, err := s.native.DeleteSource(sourceType, sourceID)
	return deleted, public(err)
}

// DeleteWhere deletes the rows that pass a filter, of every model, and gives how many there were; none is no error. The
// zero Filter is an ErrInvalidArgument, so that one that was forgotten deletes nothing: And() is all rows.
func (s *EmbeddingStore) DeleteWhere(ctx context.Context, filter Filter) (int, error) {
	if err := cancelled(ctx); err != nil {
		return 0, err
	}
	if filter.IsZero() {
		return 0, invalid("the filter is empty; to delete all rows, say so: And()")
	}
	native, err := filter.native()
	if err != nil {
		return 0, err
	}
	deleted, err := s.native.DeleteWhere(native)
	return deleted, public(err)
}

// Close closes the file when no call uses it any more. Later calls give ErrClosed; a second Close does nothing.
func (s *EmbeddingStore) Close() error {
	return s.native.Close()
}
