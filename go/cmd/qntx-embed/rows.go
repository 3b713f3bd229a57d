package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

func listCommand() command {
	return command{
		name:    "list",
		summary: "prints stored rows, a page at a time",
		about: `Prints rows in the order of their ids, which is that in which they were first stored: a line each,
or, with --json, an object a line with all there is. The last line of standard error says where the
next page begins.

Examples:
  qntx-embed list
  qntx-embed list --filter '["and", ["=", "source_type", "manual"], [">=", "metadata.year", 2020]]'
  qntx-embed list --limit all --json --vectors >rows.jsonl
`,
		flags: func() *flags {
			return newFlags(withStore, withFilter, withFingerprint, withList, withVectors, withJSON("an object a line"))
		},
		run: runList,
	}
}

func getCommand() command {
	return command{
		name: "get", args: "[ID...]",
		summary: "prints rows by their ids, or those of a source",
		about: `Prints rows with all there is, by their ids, or those of a source: all its chunks, of every model.

Examples:
  qntx-embed get 019a8b7c-2f64-7cc3-98c4-dc0c0c07398f
  qntx-embed get --source-type manual --source-id pump-001
  qntx-embed get --source-type manual --source-id pump-001 --json --vectors | jq .vector
`,
		flags: func() *flags {
			return newFlags(withStore, withSource, withFingerprint, withVectors, withJSON("an object a line"))
		},
		run: runGet,
	}
}

func countCommand() command {
	return command{
		name:    "count",
		summary: "says how many rows there are, or pass a filter",
		about: `Prints how many rows there are: of all, of a model, or of those that pass a filter.

Examples:
  qntx-embed count
  qntx-embed count --filter '["<", "created_at", "2026-01-31T00:00:00Z"]'
`,
		flags: func() *flags { return newFlags(withStore, withFilter, withFingerprint, withJSON(`{"rows": N}`)) },
		run:   runCount,
	}
}

func deleteCommand() command {
	return command{
		name: "delete", args: "[ID...]",
		summary: "deletes rows: by their ids, of a source, or those that pass a filter",
		about: `Deletes rows in one of three ways: by their ids, all rows of a source, or those that pass a filter
(try it with qntx-embed count before); '["and"]' is all rows. It is all or nothing, and none is no
error.

Examples:
  qntx-embed delete 019a8b7c-2f64-7cc3-98c4-dc0c0c07398f
  qntx-embed delete --source-type manual --source-id pump-001
  qntx-embed delete --filter '["=", "metadata.draft", true]'
`,
		flags: func() *flags { return newFlags(withStore, withSource, withFilter, withJSON(`{"deleted": N}`)) },
		run:   runDelete,
	}
}

func runList(ctx context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) > 0:
		return unexpected(args[0])
	case f.vectors && !f.json:
		return usageError("--vectors needs --json")
	}
	store, err := openThere(f)
	if err != nil {
		return err
	}
	defer store.Close()
	out := bufio.NewWriter(c.out)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	table := newTable(out, c.out, "ROW", "TYPE", "ID", "CHUNK", "TEXT")
	options := f.list
	options.Selection, options.WithoutVectors = f.selection, !f.vectors
	given, last := 0, ""
	for e, err := range store.List(ctx, options) {
		if err != nil {
			return err
		}
		if f.json {
			err = lines.Encode(server.RowOf(e))
		} else {
			err = table.line(e.ID, e.SourceType, e.SourceID, fmt.Sprint(e.Chunk), e.Text)
		}
		if err != nil {
			return err
		}
		given, last = given+1, e.ID
	}
	if !f.json && given > 0 {
		if err := table.flush(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	switch {
	case given == 0:
		fmt.Fprintf(c.err, "there are no such rows in %s\n", f.place())
	case given == options.Limit:
		fmt.Fprintf(c.err, "what follows: --after %s\n", last)
	}
	return nil
}

func runGet(ctx context.Context, f *flags, args []string, c console) error {
	bySource, err := f.bySource()
	switch {
	case err != nil:
		return err
	case len(args) == 0 && !bySource:
		return usageError("an id is missing, or --source-type and --source-id")
	case len(args) > 0 && bySource:
		return usageError(fmt.Sprintf("both the id %q and --source-type; expected one of them", args[0]))
	case len(args) > 0 && f.selection.Fingerprint != "":
		return usageError("--fingerprint is for the rows of a source; an id names one row")
	case f.vectors && !f.json:
		return usageError("--vectors needs --json")
	}
	store, err := openThere(f)
	if err != nil {
		return err
	}
	defer store.Close()
	var rows []embeddings.Embedding
	if bySource {
		if rows, err = store.GetBySource(ctx, f.source[0], f.source[1], f.selection.Fingerprint); err != nil {
			return err
		}
	}
	for _, id := range args {
		found, err := store.Get(ctx, id)
		if err != nil {
			return err
		}
		rows = append(rows, *found)
	}
	lines := json.NewEncoder(c.out)
	lines.SetEscapeHTML(false)
	for i := range rows {
		if !f.json {
			writeRow(c.out, &rows[i], i == 0)
			continue
		}
		if !f.vectors {
			rows[i].Vector = nil
		}
		if err := lines.Encode(server.RowOf(&rows[i])); err != nil {
			return err
		}
	}
	return nil
}

// writeRow prints a row for people.
func writeRow(w io.Writer, e *embeddings.Embedding, first bool) {
	if !first {
		fmt.Fprintln(w)
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(columns, "%s\t%s\n", name, oneLine(value)) }
	line("row", e.ID)
	line("source", e.SourceType+" "+e.SourceID)
	if e.Chunk != 0 || e.ChunkEnd != 0 {
		line("chunk", fmt.Sprintf("%d, characters %d to %d", e.Chunk, e.ChunkStart, e.ChunkEnd))
	}
	line("model", fmt.Sprintf("%s, %d dimensions, fingerprint %s", e.Model, e.Dimensions, e.Fingerprint))
	line("created", e.CreatedAt.Format(time.RFC3339Nano))
	line("updated", e.UpdatedAt.Format(time.RFC3339Nano))
	if metadata, err := e.Metadata.MarshalJSON(); err == nil && len(e.Metadata) > 0 {
		line("metadata", string(metadata))
	}
	columns.Flush()
	fmt.Fprintf(w, "%s\n", e.Text)
}

func runCount(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	store, err := openThere(f)
	if err != nil {
		return err
	}
	defer store.Close()
	rows, err := store.Count(ctx, f.selection)
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(c.out, map[string]int{"rows": rows})
	}
	fmt.Fprintln(c.out, rows)
	return nil
}

func runDelete(ctx context.Context, f *flags, args []string, c console) error {
	bySource, err := f.bySource()
	if err != nil {
		return err
	}
	ways := 0
	for _, given := range []bool{len(args) > 0, bySource, !f.selection.Filter.IsZero()} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usageError("expected ids, or --source-type and --source-id, or --filter: one of the three")
	}
	store, err := openThere(f)
	if err != nil {
		return err
	}
	defer store.Close()
	deleted := 0
	switch {
	case bySource:
		deleted, err = store.DeleteBySource(ctx, f.source[0], f.source[1])
	case len(args) > 0:
		deleted, err = store.Delete(ctx, args...)
	default:
		deleted, err = store.DeleteWhere(ctx, f.selection.Filter)
	}
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(c.out, map[string]int{"deleted": deleted})
	}
	if deleted == 1 {
		fmt.Fprintln(c.out, "1 row deleted")
	} else {
		fmt.Fprintf(c.out, "%d rows deleted\n", deleted)
	}
	return nil
}

// bySource says that a source was named.
func (f *flags) bySource() (bool, error) {
	switch {
	case f.source[0] != "" && f.source[1] == "":
		return false, usageError("--source-id is missing, which belongs to --source-type")
	case f.source[0] == "" && f.source[1] != "":
		return false, usageError("--source-type is missing, which belongs to --source-id")
	}
	return f.source[0] != "", nil
}
