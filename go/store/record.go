package store

import (
	"math"
	"unicode/utf8"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// What a record may have; the library's own store takes as much.
const (
	maxName       = 1024
	maxText       = 16 << 20
	maxMetadata   = 64 << 10
	maxKey        = 256
	maxDimensions = 8192
)

// CheckRecord refuses what no store takes, and gives the record's metadata as it will come back, and as JSON. A record
// without a vector passes: only the store knows whether it has one.
func CheckRecord(r *embeddings.Record) (metadata embeddings.Metadata, written []byte, err error) {
	for _, name := range []struct{ what, value string }{
		{"id", r.ID}, {"source_type", r.SourceType}, {"source_id", r.SourceID}, {"model", r.Model}, {"fingerprint", r.Fingerprint},
	} {
		switch {
		case name.value == "" && name.what != "id" && name.what != "model":
			return nil, nil, invalid("%s is empty", name.what)
		case len(name.value) > maxName:
			return nil, nil, invalid("%s has %d bytes; expected at most %d", name.what, len(name.value), maxName)
		case !utf8.ValidString(name.value):
			return nil, nil, refused(embeddings.ErrInvalidUTF8, "%s %q", name.what, name.value)
		}
	}
	switch {
	case r.Text == "":
		return nil, nil, refused(embeddings.ErrEmptyText, "text of %s '%s'", r.SourceType, r.SourceID)
	case len(r.Text) > maxText:
		return nil, nil, invalid("text has %d bytes; expected at most %d", len(r.Text), maxText)
	case !utf8.ValidString(r.Text):
		return nil, nil, refused(embeddings.ErrInvalidUTF8, "text of %s '%s'", r.SourceType, r.SourceID)
	case uint64(r.Chunk) > math.MaxUint32 || r.ChunkStart < 0 || r.ChunkEnd < r.ChunkStart:
		return nil, nil, invalid("chunk %d of the characters %d to %d; expected numbers of 0 or more, the end not before the start, and a "+
			"chunk of 32 bits", r.Chunk, r.ChunkStart, r.ChunkEnd)
	}
	if len(r.Vector) > 0 {
		if err := CheckVector(r.Vector); err != nil {
			return nil, nil, err
		}
	}
	if written, err = r.Metadata.MarshalJSON(); err != nil {
		return nil, nil, err
	}
	if len(written) > maxMetadata {
		return nil, nil, invalid("metadata has %d bytes as JSON; expected at most %d", len(written), maxMetadata)
	}
	for key := range r.Metadata {
		if key == "" || len(key) > maxKey {
			return nil, nil, invalid("the metadata key %q has %d bytes; expected 1 to %d", key, len(key), maxKey)
		}
	}
	metadata, err = embeddings.ParseMetadata(written)
	return metadata, written, err
}

// CheckVector refuses a vector that has no direction, or too many components.
func CheckVector(vector []float32) error {
	if len(vector) == 0 || len(vector) > maxDimensions {
		return refused(embeddings.ErrDimensions, "the vector has %d components; expected 1 to %d", len(vector), maxDimensions)
	}
	if n := norm(vector); !(n > 0) || math.IsInf(n, 0) {
		return invalid("the vector is zero or not finite (its length is %v)", n)
	}
	return nil
}

func norm(vector []float32) float64 {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}
