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
	start := time.Now()
	input, err := openInput(args, c)
	if err != nil {
		return err
	}
	defer input.Close()
	service, err := openService(ctx, f)
	if err != nil {
		return err
	}
	defer service.Close()
	store, err := openAny(f)
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
	progress := newProgress(c.err, input.size, "items")
	counts, err := ingest(ctx, put, input.name, input, progress)
	progress.done()
	if err != nil {
		return err
	}
	return sayStored(ctx, store, f.place(), "items", counts, start, c)
}

// sayStored prints what was done with things of a kind.
func sayStored(ctx context.Context, store embeddings.Store, db, kind string, counts map[embeddings.Outcome]int,
	start time.Time, c console) error {
	rows, err := store.Count(ctx, embeddings.Selection{})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d %s: %d inserted, %d replaced, %d unchanged (%.1f s); %s has %d rows\n",
		counts[embeddings.Inserted]+counts[embeddings.Replaced]+counts[embeddings.Unchanged], kind,
		counts[embeddings.Inserted], counts[embeddings.Replaced], counts[embeddings.Unchanged],
		time.Since(start).Seconds(), db, rows)
	return nil
}

// input is a file of lines, or standard input.
type input struct {
	io.ReadCloser
	name string
	size int64 // 0 where it is not known
}

// openInput opens the only argument; the caller closes it.
func openInput(args []string, c console) (*input, error) {
	switch {
	case len(args) == 0:
		return nil, usageError(`a file is missing; "-" reads standard input`)
	case len(args) > 1:
		return nil, unexpected(args[1])
	case args[0] == "-":
		return &input{io.NopCloser(c.in), "standard input", 0}, nil
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	opened := &input{file, args[0], 0}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a directory; expected a file of JSON lines", args[0])
	case info.Mode().IsRegular():
		opened.size = info.Size()
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return opened, nil
}

// ingester embeds items and stores them, all or none.
type ingester func(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error)

// whole stores each text as one row.
func whole(service embeddings.EmbeddingService, store embeddings.Store) ingester {
	return func(ctx context.Context, items []embeddings.Item) ([]embeddings.Outcome, error) {
		return embeddings.Ingest(ctx, service, store, items)
	}
}

// ingest embeds and stores a stream of lines, batch by batch, and counts what was done.
func ingest(ctx context.Context, put ingester, name string, input io.Reader, progress *progress) (map[embeddings.Outcome]int, error) {
	return storeLines(name, input, progress, readItem, func(items []embeddings.Item) ([]embeddings.Outcome, error) {
		return put(ctx, items)
	})
}

// storeLines stores a stream of lines, batch by batch, and counts what was done.
func storeLines[Thing any](name string, input io.Reader, progress *progress, read func(line []byte) (Thing, error),
	store func([]Thing) ([]embeddings.Outcome, error)) (map[embeddings.Outcome]int, error) {
	counts := map[embeddings.Outcome]int{}
	line, stored, things, bytes := 0, 0, 0, int64(0)
	var batch []Thing
	failed := func(line int, err error) error {
		kept := "nothing is stored"
		if stored > 0 {
			kept = fmt.Sprintf("the lines up to %d are stored, the later ones are not", stored)
		}
		return fmt.Errorf("%s, line %d: %w (%s)", name, line, err, kept)
	}
	flush := func() error {
		outcomes, err := store(batch)
		if err != nil {
			return failed(stored+1, err)
		}
		for _, outcome := range outcomes {
			counts[outcome]++
		}
		things += len(outcomes)
		batch, stored = batch[:0], line
		progress.show(bytes, things)
		return nil
	}
	progress.show(0, 0)
	lines := newLines(input)
	for lines.Scan() {
		line++
		bytes += int64(len(lines.Bytes())) + 1
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		thing, err := read(lines.Bytes())
		if err != nil {
			return counts, failed(line, err)
		}
		if batch = append(batch, thing); len(batch) == batchSize {
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
