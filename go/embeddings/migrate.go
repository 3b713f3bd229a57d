package embeddings

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// MigrateOptions says how to adopt a database of the original system. Its zero value changes nothing.
type MigrateOptions struct {
	// Backup is where a copy of the file as it was goes; "" is beside it, as <file>.backup. One that is there is refused.
	Backup string
	// Apply changes the file. Otherwise everything is read and reported, and nothing is written.
	Apply bool
	// WithoutBackup makes no copy.
	WithoutBackup bool
}

// MigrationReport is what MigrateEmbeddingStore did, or would do.
type MigrationReport struct {
	// Applied says that the file was changed.
	Applied bool `json:"applied"`
	// Backup is the copy of the file as it was; "" for none.
	Backup string `json:"backup"`
	// Rows is how many the old table had.
	Rows int `json:"rows"`
	// Kept is how many rows are kept, with their texts.
	Kept int `json:"kept"`
	// NewIDs is how many of these had an empty id, and get a new one.
	NewIDs int `json:"new_ids"`
	// WithoutVector is how many of them have a blob that is no vector, and are kept without.
	WithoutVector int `json:"without_vector"`
	// Duplicates is how many are left out because a newer row of the same source is kept.
	Duplicates int `json:"duplicates"`
	// Unusable is how many are left out because they have no source, no text, or one that cannot be stored.
	Unusable int `json:"unusable"`
	// ColumnsLeftOut are columns beside the original's.
	ColumnsLeftOut []string `json:"columns_left_out"`
	// Notes say of each row that is not kept as it was what became of it.
	Notes []MigrationNote `json:"notes"`
}

// MigrationNote says what became of a row.
type MigrationNote struct {
	// ID is the row's, as it was.
	ID string `json:"id"`
	// SourceType and SourceID are its source.
	SourceType string `json:"source_type"`
	SourceID   string `json:"source_id"`
	// Note is a sentence for people.
	Note string `json:"note"`
}

// MigrateEmbeddingStore adopts a database of the original system, in its file and in one transaction: its rows become rows
// of the model "unknown", which keep id, text, times and vector, and are found again when they were embedded anew. Tables
// beside embeddings and vec_embeddings stay as they are. A file of this library is ErrStoreVersion, any other one
// ErrInvalidArgument. Once begun it goes on to its end, whatever becomes of the context.
func MigrateEmbeddingStore(ctx context.Context, path string, options MigrateOptions) (*MigrationReport, error) {
	if path == "" {
		return nil, invalid("the path of the database is empty")
	}
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	text, err := capi.Migrate(path, capi.MigrateOptions(options))
	if err != nil {
		return nil, public(err)
	}
	report := new(MigrationReport)
	if err := json.Unmarshal([]byte(text), report); err != nil {
		return nil, fmt.Errorf("%w: the report of a migration: %w", ErrInternal, err)
	}
	return report, nil
}
