package main

import (
	"context"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

func putCommand() command {
	return command{
		name: "put", args: "FILE.jsonl",
		summary: "stores rows that have their vectors",
		about: `Reads a file with one JSON object a line, as qntx-embed list --json --vectors prints it, and stores
the rows in the database, which is made where it is missing. It needs no model. "-" reads standard
input. Needed are "source_type", "source_id", "text", "fingerprint" (of the model that made the
vector) and "vector"; the rest may be left out. Times are the store's, and are not taken over.

Lines are stored in batches, all or nothing each, and can be put again, as with qntx-embed ingest.

Examples:
  qntx-embed list --limit all --json --vectors --db old.db | qntx-embed put - --db new.db
  qntx-embed put rows.jsonl
`,
		flags: func() *flags { return newFlags(withStore) },
		run:   runPut,
	}
}

func runPut(ctx context.Context, f *flags, args []string, c console) error {
	start := time.Now()
	input, err := openInput(args, c)
	if err != nil {
		return err
	}
	defer input.Close()
	store, err := openAny(f)
	if err != nil {
		return err
	}
	defer store.Close()
	progress := newProgress(c.err, input.size, "rows")
	put := func(records []embeddings.Record) ([]embeddings.Outcome, error) { return store.Put(ctx, records) }
	counts, err := storeLines(input.name, input, progress, readRecord, put)
	progress.done()
	if err != nil {
		return err
	}
	return sayStored(ctx, store, f.place(), "rows", counts, start, c)
}

func readRecord(line []byte) (embeddings.Record, error) {
	document, err := wire.Document(line)
	if err != nil {
		return embeddings.Record{}, err
	}
	return wire.Record(document)
}
