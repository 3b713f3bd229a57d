package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// batchSize is how many texts are embedded with one call: enough to keep all threads busy, few enough to show progress.
const batchSize = 256

func runEmbed(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) == 0 {
		return usageError(`a text is missing; "-" reads them from standard input`)
	}
	name := "text"
	texts := slices.Values(args)
	var scanner *bufio.Scanner
	if len(args) == 1 && args[0] == "-" {
		name, scanner = "line", newLines(c.in)
		texts = func(yield func(string) bool) {
			for scanner.Scan() && yield(scanner.Text()) {
			}
		}
	}

	service, err := openService(ctx, f)
	if err != nil {
		return err
	}
	defer service.Close()
	out := bufio.NewWriter(c.out)
	n := 0
	var batch []string
	for text := range texts {
		if n++; strings.TrimSpace(text) == "" {
			return fmt.Errorf("%s %d is empty; expected some text", name, n)
		}
		if batch = append(batch, text); len(batch) == batchSize {
			if err := writeVectors(ctx, out, service, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if scanner != nil {
		if err := scanner.Err(); err != nil {
			return fmt.Errorf("standard input, line %d: %w", n+1, err)
		}
	}
	return writeVectors(ctx, out, service, batch)
}

func writeVectors(ctx context.Context, out *bufio.Writer, service embeddings.EmbeddingService, texts []string) error {
	batch, err := service.EmbedBatch(ctx, texts)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for _, result := range batch.Results {
		if err := encoder.Encode(result.Vector); err != nil {
			return err
		}
	}
	return out.Flush()
}

// newLines scans lines, of which none may be longer than what the server takes.
func newLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, server.MaxBodyBytes)
	return lines
}
