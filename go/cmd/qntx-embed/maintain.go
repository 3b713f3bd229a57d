package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func statsCommand() command {
	return command{
		name:    "stats",
		summary: "says what the database has: rows, models, bytes",
		about: `Prints how many rows of which models there are, and how many bytes they take. What deleted rows have
left behind comes back by qntx-embed optimize.

Examples:
  qntx-embed stats
  qntx-embed stats --json | jq '.models[].fingerprint'
`,
		flags: func() *flags { return newFlags(withStore, withJSON("the same")) },
		run:   runStats,
	}
}

func backupCommand() command {
	return command{
		name: "backup", args: "FILE",
		summary: "copies the database to a new file",
		about: `Copies the database to a new file, while others read and write; the copy is of one moment. A file
that is there already is left as it is, and is an error.

Example:
  qntx-embed backup "qntx-embed-$(date +%F).db"
`,
		flags: func() *flags { return newFlags(withStore) },
		run:   runBackup,
	}
}

func optimizeCommand() command {
	return command{
		name:    "optimize",
		summary: "gives the space of deleted rows back, and sorts indexes",
		about: `Brings indexes into their best form and gives the space of deleted rows back to the file system. It
takes as long as copying the database, and as much room on the disk; writers wait meanwhile.

Example:
  qntx-embed optimize
`,
		flags: func() *flags { return newFlags(withStore) },
		run:   runOptimize,
	}
}

func runStats(ctx context.Context, f *flags, args []string, c console) error {
	return withStoreAlone(f, args, func(store *embeddings.EmbeddingStore) error {
		stats, err := store.Stats(ctx)
		if err != nil {
			return err
		}
		if f.json {
			return writeJSON(c.out, stats)
		}
		fmt.Fprintf(c.out, "%s: %d rows in %d bytes (%d of them free, %d more in the log)\n", f.db, stats.Rows, stats.Bytes,
			stats.FreeBytes, stats.LogBytes)
		for _, model := range stats.Models {
			indexed := ""
			if !model.Indexed {
				indexed = "; its index is missing, qntx-embed verify --repair builds it"
			}
			fmt.Fprintf(c.out, "  %d rows of %d dimensions by %s, fingerprint %s%s\n", model.Rows, model.Dimensions, oneLine(model.Model),
				model.Fingerprint, indexed)
		}
		return nil
	})
}

func runBackup(ctx context.Context, f *flags, args []string, c console) error {
	switch len(args) {
	case 0:
		return usageError("the new file is missing")
	case 1:
	default:
		return unexpected(args[1])
	}
	store, err := openStore(f)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Backup(ctx, args[0]); err != nil {
		return err
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: a copy of %s, %d bytes\n", args[0], f.db, info.Size())
	return nil
}

func runOptimize(ctx context.Context, f *flags, args []string, c console) error {
	return withStoreAlone(f, args, func(store *embeddings.EmbeddingStore) error {
		var stats [2]*embeddings.StoreStats
		for i := range stats {
			if i == 1 {
				if err := store.Optimize(ctx); err != nil {
					return err
				}
			}
			var err error
			if stats[i], err = store.Stats(ctx); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.out, "%s: %d bytes, %d before\n", f.db, stats[1].Bytes, stats[0].Bytes)
		return nil
	})
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
