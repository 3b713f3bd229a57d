//go:build !(rustembeddings && cgo)

package capi

import "context"

// Version gives ErrNotCompiled.
func Version() (string, error) { return "", ErrNotCompiled }

// Serialize gives ErrNotCompiled.
func Serialize([]float32) ([]byte, error) { return nil, ErrNotCompiled }

// Deserialize gives ErrNotCompiled.
func Deserialize([]byte) ([]float32, error) { return nil, ErrNotCompiled }

// Similarity gives ErrNotCompiled.
func Similarity(_, _ []float32) (float32, error) { return 0, ErrNotCompiled }

// Model has the native one's methods, but there never is one: OpenModel fails.
type Model struct{}

// OpenModel gives ErrNotCompiled.
func OpenModel(string, ModelOptions) (*Model, error) { return nil, ErrNotCompiled }

// WriteManifest gives ErrNotCompiled.
func WriteManifest(string) (ManifestInfo, error) { return ManifestInfo{}, ErrNotCompiled }

// CheckManifest gives ErrNotCompiled.
func CheckManifest(string) (ManifestInfo, error) { return ManifestInfo{}, ErrNotCompiled }

// Stats gives ErrNotCompiled.
func (*Model) Stats() (ModelStats, error) { return ModelStats{}, ErrNotCompiled }

// Info gives nothing.
func (*Model) Info() ModelInfo { return ModelInfo{} }

// Embed gives ErrNotCompiled.
func (*Model) Embed(context.Context, []string, EmbedOptions) ([]float32, []TextInfo, error) {
	return nil, nil, ErrNotCompiled
}

// Close does nothing.
func (*Model) Close() error { return nil }

// Store has the native one's methods, but there never is one: OpenStore fails.
type Store struct{}

// OpenStore gives ErrNotCompiled.
func OpenStore(string, StoreOptions) (*Store, error) { return nil, ErrNotCompiled }

// Put gives ErrNotCompiled.
func (*Store) Put([]Record) ([]Outcome, error) { return nil, ErrNotCompiled }

// Get gives ErrNotCompiled.
func (*Store) Get(_, _, _ string) (Row, error) { return Row{}, ErrNotCompiled }

// Delete gives ErrNotCompiled.
func (*Store) Delete(_, _ string) (int, error) { return 0, ErrNotCompiled }

// Count gives ErrNotCompiled.
func (*Store) Count() (int, error) { return 0, ErrNotCompiled }

// Search gives ErrNotCompiled.
func (*Store) Search([]float32, SearchOptions) ([]Row, error) { return nil, ErrNotCompiled }

// Close does nothing.
func (*Store) Close() error { return nil }
