package embeddings

import "github.com/teranos/libqntx_embed/go/internal/capi"

// The arithmetic of vectors is the library's, so that there is one definition of it. It needs no model, takes
// microseconds and therefore no context, and works before Init and after Close.

// SerializeEmbedding writes a vector as FLOAT32_BLOB, as SQLite tables and sqlite-vec hold it: 4 little-endian bytes
// for each component.
func (s *ManagedEmbeddingService) SerializeEmbedding(vector []float32) ([]byte, error) {
	blob, err := capi.Serialize(vector)
	return blob, public(err)
}

// DeserializeEmbedding reads a FLOAT32_BLOB. A length that is no multiple of 4 is an ErrInvalidArgument.
func (s *ManagedEmbeddingService) DeserializeEmbedding(blob []byte) ([]float32, error) {
	vector, err := capi.Deserialize(blob)
	return vector, public(err)
}

// ComputeSimilarity is the cosine of two vectors, from -1 to 1, and 0 where one of them is zero. Different lengths are
// an ErrDimensions, components that are not finite an ErrInvalidArgument.
func (s *ManagedEmbeddingService) ComputeSimilarity(a, b []float32) (float32, error) {
	similarity, err := capi.Similarity(a, b)
	return similarity, public(err)
}

// LibraryVersion is the version of libqntx_embed, such as "0.1.0".
func LibraryVersion() (string, error) {
	version, err := capi.Version()
	return version, public(err)
}
