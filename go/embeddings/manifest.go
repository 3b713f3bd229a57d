package embeddings

import "github.com/teranos/libqntx_embed/go/internal/capi"

// ManifestInfo is what the manifest of a model directory says.
type ManifestInfo struct {
	// Files is how many files it lists.
	Files int
	// Fingerprint is the model's (see [ModelInfo]).
	Fingerprint string
}

// WriteManifest writes qntx-embed.sha256.json into a model directory, in place of one that is there: the sizes and hashes
// of the files that the model is read from. [CheckManifest] compares them, and [WithRequireManifest] does so whenever the
// model is opened. It is not signed: it guards against damage and mistakes, and against others only where they can change
// the model but not its manifest.
func WriteManifest(directory string) (*ManifestInfo, error) {
	return manifest(directory, capi.WriteManifest)
}

// CheckManifest compares a model directory with its manifest. Without one it is an ErrModelNotFound; where a file is
// missing, is another, or would be used and is not listed, it is an ErrModelInvalid that names all of them.
func CheckManifest(directory string) (*ManifestInfo, error) {
	return manifest(directory, capi.CheckManifest)
}

func manifest(directory string, f func(string) (capi.ManifestInfo, error)) (*ManifestInfo, error) {
	if directory == "" {
		return nil, invalid("the path of the model directory is empty")
	}
	info, err := f(directory)
	if err != nil {
		return nil, public(err)
	}
	return &ManifestInfo{Files: info.Files, Fingerprint: info.Fingerprint}, nil
}
