package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// batchSize is how many items are stored with one transaction: enough to keep all threads busy, few enough to show progress.
const batchSize = 256

func runEmbed(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) == 0 {
		return usageError(`a text is missing; "-" reads them from standard input`)
	}
	if _, err := embeddings.NewEmbedSettings(f.embed...); err != nil {
		return usageError(err.Error())
	}
	service, err := openService(ctx, f)
	if err != nil {
		return err
	}
	defer service.Close()

	name, input := "text", slices.Values(args)
	var lines *bufio.Scanner
	if len(args) == 1 && args[0] == "-" {
		name, lines = "line", newLines(c.in)
		input = func(yield func(string) bool) {
			for lines.Scan() && yield(lines.Text()) {
			}
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wrong error // with the input; what was read of it is not embedded then
	texts := func(yield func(string) bool) {
		n := 0
		for text := range input {
			if n++; strings.TrimSpace(text) == "" {
				wrong = fmt.Errorf("%s %d is empty; expected some text", name, n)
				stop()
				return
			}
			if !yield(text) {
				return
			}
		}
		if lines != nil && lines.Err() != nil {
			wrong = fmt.Errorf("standard input, line %d: %w", n+1, lines.Err())
			stop()
		}
	}
	var progress *progress
	if !isTerminal(c.out) { // or the vectors would be written over it
		progress = newProgress(c.err, 0, "texts")
		defer progress.done()
	}
	err = writeVectors(c.out, service.EmbedSeq(ctx, texts, f.embed...), progress)
	return cmp.Or(wrong, err)
}

// writeVectors writes each as a line.
func writeVectors(w io.Writer, results iter.Seq2[*embeddings.EmbeddingResult, error], progress *progress) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	n := 0
	for result, err := range results {
		if err != nil {
			return err
		}
		if err := encoder.Encode(result.Vector); err != nil {
			return err
		}
		if n++; progress != nil && n%batchSize == 0 {
			progress.show(0, n)
		}
	}
	return out.Flush()
}

// newLines scans lines, of which none may be longer than what the server takes.
func newLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, server.DefaultBodyBytes)
	return lines
}
