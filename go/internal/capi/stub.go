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
func OpenStore(string) (*Store, error) { return nil, ErrNotCompiled }

// Put gives ErrNotCompiled.
func (*Store) Put([]Record) ([]Outcome, error) { return nil, ErrNotCompiled }

// Has gives ErrNotCompiled.
func (*Store) Has([]Record) ([]bool, error) { return nil, ErrNotCompiled }

// Get gives ErrNotCompiled.
func (*Store) Get(string) (Row, error) { return Row{}, ErrNotCompiled }

// GetSource gives ErrNotCompiled.
func (*Store) GetSource(_, _, _ string) ([]Row, error) { return nil, ErrNotCompiled }

// List gives ErrNotCompiled.
func (*Store) List(ListOptions) ([]Row, error) { return nil, ErrNotCompiled }

// Count gives ErrNotCompiled.
func (*Store) Count(_, _ string) (int, error) { return 0, ErrNotCompiled }

// Search gives ErrNotCompiled.
func (*Store) Search([]float32, SearchOptions) ([]Row, string, error) {
	return nil, "", ErrNotCompiled
}

// DeleteIDs gives ErrNotCompiled.
func (*Store) DeleteIDs([]string) (int, error) { return 0, ErrNotCompiled }

// DeleteSource gives ErrNotCompiled.
func (*Store) DeleteSource(_, _ string) (int, error) { return 0, ErrNotCompiled }

// DeleteWhere gives ErrNotCompiled.
func (*Store) DeleteWhere(string) (int, error) { return 0, ErrNotCompiled }

// Stats gives ErrNotCompiled.
func (*Store) Stats() (string, error) { return "", ErrNotCompiled }

// Verify gives ErrNotCompiled.
func (*Store) Verify(bool) (string, error) { return "", ErrNotCompiled }

// Backup gives ErrNotCompiled.
func (*Store) Backup(string) error { return ErrNotCompiled }

// Optimize gives ErrNotCompiled.
func (*Store) Optimize() error { return ErrNotCompiled }

// Close does nothing.
func (*Store) Close() error { return nil }
