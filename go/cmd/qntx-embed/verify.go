package main

import (
	"context"
	"fmt"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

const manifestName = "qntx-embed.sha256.json"

func runVerify(_ context.Context, f *flags, args []string, c console) error {
	switch len(args) {
	case 0:
		return usageError("a model directory is missing")
	case 1:
	default:
		return unexpected(args[1])
	}
	verify, says := embeddings.CheckManifest, "%s: %d files are as %s says; fingerprint %s\n"
	if f.write {
		verify, says = embeddings.WriteManifest, "%s: %d files are listed in %s now; fingerprint %s\n"
	}
	info, err := verify(args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, says, args[0], info.Files, manifestName, info.Fingerprint)
	return nil
}
