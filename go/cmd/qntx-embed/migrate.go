package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func runMigrate(ctx context.Context, f *flags, args []string, c console) error {
	switch len(args) {
	case 0:
		return usageError("the old database is missing")
	case 1:
	default:
		return unexpected(args[1])
	}
	if f.migrate.WithoutBackup && f.migrate.Backup != "" {
		return usageError("--backup and --no-backup contradict each other")
	}
	report, err := embeddings.MigrateEmbeddingStore(ctx, args[0], f.migrate)
	if err != nil {
		return err
	}
	if f.json {
		encoder := json.NewEncoder(c.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	writeMigration(c.out, args[0], report)
	return nil
}

func writeMigration(w io.Writer, path string, report *embeddings.MigrationReport) {
	for _, note := range report.Notes {
		fmt.Fprintf(w, "row %q of %s %q: %s\n", note.ID, note.SourceType, note.SourceID, note.Note)
	}
	for _, column := range report.ColumnsLeftOut {
		fmt.Fprintf(w, "column %s: left out\n", column)
	}
	fmt.Fprintf(w, "%s: %d rows, %d kept (%d with a new id, %d without a vector), %d duplicates and %d unusable ones left out\n",
		path, report.Rows, report.Kept, report.NewIDs, report.WithoutVector, report.Duplicates, report.Unusable)
	switch {
	case !report.Applied:
		fmt.Fprintf(w, "nothing was changed; to do it: qntx-embed migrate --apply %s\n", path)
	case report.Backup == "":
		fmt.Fprintf(w, "done, without a backup; to embed its texts anew: qntx-embed reindex --db %s\n", path)
	default:
		fmt.Fprintf(w, "done, the file as it was is %s; to embed its texts anew: qntx-embed reindex --db %s\n", report.Backup, path)
	}
}
