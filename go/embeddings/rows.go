package embeddings

import (
	"fmt"
	"math"
	"time"

	"github.com/teranos/libqntx_embed/go/internal/capi"
)

// Record is a text with its vector, to be stored under its source.
type Record struct {
	// ID is the row's id; empty for a new UUIDv7. A row that is there keeps its own, and another one is an
	// ErrInvalidArgument then. At most 1,024 bytes, as the four names below.
	ID string
	// SourceType is what kind of thing the text comes from, and SourceID which of them. Neither may be empty; together
	// with Chunk and Fingerprint they name a row.
	SourceType, SourceID string
	// Chunk is which part of the source the text is; 0 for a whole text.
	Chunk int
	// ChunkStart and ChunkEnd are where in the source the text begins and ends, in characters (runes); both 0 for a whole
	// text.
	ChunkStart, ChunkEnd int
	// Text is given back by searches. Not empty; at most 16 MiB.
	Text string
	// Model is the name of the model that made the vector, for people.
	Model string
	// Fingerprint is the model's (see [ModelInfo]). Not empty.
	Fingerprint string
	// Metadata is what filters can ask for beside the source; nil for none.
	Metadata Metadata
	// Vector has 1 to 8,192 finite components that are not all zero; its length does not matter to searches. It may be nil
	// where the row is there with the same text (see Has): it keeps its vector then.
	Vector []float32
}

// Embedding is a stored row. It is the caller's: the store keeps nothing of it.
type Embedding struct {
	// Record is the row's content, as it was put, with its id.
	Record
	// Dimensions is how many components the vector has, also where the options leave it out.
	Dimensions int
	// CreatedAt is when the row was first stored, in UTC, to the millisecond.
	CreatedAt time.Time
	// UpdatedAt is when it was last replaced, in UTC, to the millisecond.
	UpdatedAt time.Time
}

// Outcome is what Put did with a record.
type Outcome int

const (
	// Inserted: there was no row of this source, chunk and model.
	Inserted = Outcome(capi.Inserted)
	// Replaced: there was one; it keeps its id and creation time.
	Replaced = Outcome(capi.Replaced)
	// Unchanged: there was one with the same content.
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

func nativeRecords(records []Record) ([]capi.Record, error) {
	native := make([]capi.Record, len(records))
	for i, r := range records {
		metadata, err := r.Metadata.native()
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		// The library's are unsigned: a negative one would become another number on the way.
		if uint64(r.Chunk) > math.MaxUint32 || r.ChunkStart < 0 || r.ChunkEnd < 0 {
			return nil, invalid("record %d: chunk %d of the characters %d to %d; expected numbers of 0 or more, and a chunk of 32 bits",
				i, r.Chunk, r.ChunkStart, r.ChunkEnd)
		}
		native[i] = capi.Record{
			ID:          r.ID,
			SourceType:  r.SourceType,
			SourceID:    r.SourceID,
			Chunk:       r.Chunk,
			ChunkStart:  r.ChunkStart,
			ChunkEnd:    r.ChunkEnd,
			Text:        r.Text,
			Model:       r.Model,
			Fingerprint: r.Fingerprint,
			Metadata:    metadata,
			Vector:      r.Vector,
		}
	}
	return native, nil
}

// stored makes a row of the library's one of this package.
func stored(row capi.Row) (*Embedding, error) {
	damaged := func(what string, err error) error {
		return fmt.Errorf("%w: %s of row %s: %w", ErrStore, what, row.ID, err)
	}
	created, err := time.Parse(time.RFC3339, row.CreatedAt)
	if err != nil {
		return nil, damaged("created_at", err)
	}
	updated, err := time.Parse(time.RFC3339, row.UpdatedAt)
	if err != nil {
		return nil, damaged("updated_at", err)
	}
	metadata, err := ParseMetadata([]byte(row.Metadata))
	if err != nil {
		return nil, damaged("metadata", err)
	}
	return &Embedding{
		Record: Record{
			ID:          row.ID,
			SourceType:  row.SourceType,
			SourceID:    row.SourceID,
			Chunk:       row.Chunk,
			ChunkStart:  row.ChunkStart,
			ChunkEnd:    row.ChunkEnd,
			Text:        row.Text,
			Model:       row.Model,
			Fingerprint: row.Fingerprint,
			Metadata:    metadata,
			Vector:      row.Vector,
		},
		Dimensions: row.Dimensions,
		CreatedAt:  created,
		UpdatedAt:  updated,
	}, nil
}
