package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func runReindex(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	if err := onlyFiles(f); err != nil {
		return err
	}
	// Opening would make it.
	if _, err := os.Stat(f.db); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database '%s'; qntx-embed ingest makes one, --db names another", f.db)
	}
	start := time.Now()
	service, err := openService(ctx, f)
	if err != nil {
		return err
	}
	defer service.Close()
	info, err := service.ModelInfo(ctx)
	if err != nil {
		return err
	}
	store, err := embeddings.OpenEmbeddingStore(f.db)
	if err != nil {
		return err
	}
	defer store.Close()

	progress := newProgress(c.err, 0, "rows")
	before := -1 // rows that earlier calls have done: the rate is this one's
	report, err := store.Reindex(ctx, service, embeddings.ReindexOptions{KeepOld: f.keepOld},
		embeddings.WithProgress(func(done, total int) {
			if before < 0 {
				before = done
			}
			progress.total = int64(total)
			progress.show(int64(done), done-before)
		}))
	progress.done()
	if err != nil {
		return err
	}
	cut := ""
	if report.Truncated > 0 {
		cut = fmt.Sprintf(" (%d have more tokens than it takes, and were cut: ingest with --chunk-tokens)", report.Truncated)
	}
	fmt.Fprintf(c.out, "%s: %d rows embedded by %s%s, %d rows of other models deleted (%.1f s)\n",
		f.db, report.Embedded, info.Name, cut, report.Deleted, time.Since(start).Seconds())
	return nil
}
