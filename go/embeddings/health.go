package embeddings

import (
	"context"
	"encoding/json"
	"fmt"
)

// How a file is looked after. These calls read or write all of it: once begun they go on to their end, whatever becomes of
// the context. Writers wait meanwhile, except for Stats and Backup; readers never do.

// StoreStats is what a store has.
type StoreStats struct {
	// Rows is how many there are, of all models.
	Rows int `json:"rows"`
	// Models are the models and sizes of vectors, in the order in which they came.
	Models []ModelStats `json:"models"`
	// Bytes is how large the database is, without its log.
	Bytes int64 `json:"bytes"`
	// FreeBytes is how much of that rows have left behind; Optimize gives it back.
	FreeBytes int64 `json:"free_bytes"`
	// LogBytes is how much of the log is not in the file yet.
	LogBytes int64 `json:"log_bytes"`
	// MaxResidentBytes is how much memory the resident indexes may take together: see [WithMaxResidentBytes].
	MaxResidentBytes int64 `json:"max_resident_bytes"`
}

// ModelStats is what a store has of one model and size of vectors.
type ModelStats struct {
	// Model is its name, as the row has it that was written last.
	Model string `json:"model"`
	// Fingerprint is its fingerprint.
	Fingerprint string `json:"fingerprint"`
	// Dimensions is how many components a vector has.
	Dimensions int `json:"dimensions"`
	// Rows is how many there are.
	Rows int `json:"rows"`
	// Indexed says that their vec0 table is there.
	Indexed bool `json:"indexed"`
	// ResidentRows is how many rows the resident index has, as of the last search that looked there; 0 where it is not there:
	// it is built when searches have paid for it.
	ResidentRows int `json:"resident_rows"`
	// ResidentBytes is about what it takes.
	ResidentBytes int64 `json:"resident_bytes"`
}

// StoreReport is what Verify or Repair found.
type StoreReport struct {
	// Rows is how many were read.
	Rows int `json:"rows"`
	// Problems are sentences for people, at most 100 of them. Without any the database is whole.
	Problems []string `json:"problems"`
	// Repaired is what was built anew.
	Repaired []string `json:"repaired"`
}

// Stats is what the store has.
func (s *EmbeddingStore) Stats(ctx context.Context) (*StoreStats, error) {
	return report[StoreStats](ctx, s.native.Stats)
}

// Verify reads the whole database and says what is wrong with it, and changes nothing. Damage that is found is no error.
func (s *EmbeddingStore) Verify(ctx context.Context) (*StoreReport, error) {
	return report[StoreReport](ctx, func() (string, error) { return s.native.Verify(false) })
}

// Repair is Verify, and builds anew what follows from the rows (vec0 tables, the index of words) where it is not what the
// rows say. Damage to the rows themselves stays, and needs a backup.
func (s *EmbeddingStore) Repair(ctx context.Context) (*StoreReport, error) {
	return report[StoreReport](ctx, func() (string, error) { return s.native.Verify(true) })
}

func report[Report any](ctx context.Context, call func() (string, error)) (*Report, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	text, err := call()
	if err != nil {
		return nil, public(err)
	}
	read := new(Report)
	if err := json.Unmarshal([]byte(text), read); err != nil {
		return nil, fmt.Errorf("%w: a report of the library: %w", ErrInternal, err)
	}
	return read, nil
}

// Backup copies the database to a new file while others read and write; the copy is of one moment. A file that is there
// already is an ErrInvalidArgument.
func (s *EmbeddingStore) Backup(ctx context.Context, path string) error {
	if path == "" {
		return invalid("the path of the backup is empty")
	}
	if err := cancelled(ctx); err != nil {
		return err
	}
	return public(s.native.Backup(path))
}

// Optimize brings indexes into their best form and gives the space of deleted rows back to the file system. It takes as
// long as copying the database, and as much room on the disk.
func (s *EmbeddingStore) Optimize(ctx context.Context) error {
	if err := cancelled(ctx); err != nil {
		return err
	}
	return public(s.native.Optimize())
}
