package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

func runIngest(ctx context.Context, f *flags, args []string, c console) error {
	switch len(args) {
	case 0:
		return usageError(`a file is missing; "-" reads standard input`)
	case 1:
	default:
		return unexpected(args[1])
	}
	start := time.Now()
	name, input, size := "standard input", c.in, int64(0)
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a directory; expected a file of JSON lines", args[0])
		}
		if info.Mode().IsRegular() {
			size = info.Size()
		}
		name, input = args[0], file
	}
	service, err := openService(ctx, f)
	if err != nil {
		return err
	}
	defer service.Close()
	store, err := embeddings.OpenEmbeddingStore(f.db)
	if err != nil {
		return err
	}
	defer store.Close()

	put := whole(service, store)
	if f.chunking != nil {
		put = func(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error) {
			return embeddings.IngestChunks(ctx, service, store, items, *f.chunking)
		}
	}
	progress := newProgress(c.err, size, "items")
	counts, err := ingest(ctx, put, name, input, progress)
	progress.done()
	if err != nil {
		return err
	}
	rows, err := store.Count(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d items: %d inserted, %d replaced, %d unchanged (%.1f s); %s has %d rows\n",
		counts[embeddings.Inserted]+counts[embeddings.Replaced]+counts[embeddings.Unchanged],
		counts[embeddings.Inserted], counts[embeddings.Replaced], counts[embeddings.Unchanged],
		time.Since(start).Seconds(), f.db, rows)
	return nil
}

// ingester embeds items and stores them, all or none.
type ingester func(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error)

// whole stores each text as one row.
func whole(service embeddings.EmbeddingService, store embeddings.Store) ingester {
	return func(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error) {
		return embeddings.Ingest(ctx, service, store, items)
	}
}

// ingest stores a stream of lines, batch by batch, and counts what was done.
func ingest(ctx context.Context, put ingester, name string, input io.Reader, progress *progress) (map[embeddings.Outcome]int, error) {
	counts := map[embeddings.Outcome]int{}
	line, stored, items, read := 0, 0, 0, int64(0)
	var batch []embeddings.Item
	failed := func(line int, err error) error {
		kept := "nothing is stored"
		if stored > 0 {
			kept = fmt.Sprintf("the lines up to %d are stored, the later ones are not", stored)
		}
		return fmt.Errorf("%s, line %d: %w (%s)", name, line, err, kept)
	}
	flush := func() error {
		outcomes, err := put(ctx, batch)
		if err != nil {
			return failed(stored+1, err)
		}
		for _, outcome := range outcomes {
			counts[outcome]++
		}
		items += len(outcomes)
		batch, stored = batch[:0], line
		progress.show(read, items)
		return nil
	}
	progress.show(0, 0)
	lines := newLines(input)
	for lines.Scan() {
		line++
		read += int64(len(lines.Bytes())) + 1
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		item, err := readItem(lines.Bytes())
		if err != nil {
			return counts, failed(line, err)
		}
		if batch = append(batch, item); len(batch) == batchSize {
			if err := flush(); err != nil {
				return counts, err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return counts, failed(line+1, err)
	}
	if len(batch) == 0 {
		return counts, nil
	}
	return counts, flush()
}

func readItem(line []byte) (embeddings.Item, error) {
	document, err := wire.Document(line)
	if err != nil {
		return embeddings.Item{}, err
	}
	return wire.Item("", document)
}
