package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

func runSearch(ctx context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) == 0:
		return usageError("a query is missing")
	case len(args) > 1:
		return usageError(fmt.Sprintf("unexpected argument %q; put a query of several words in quotes", args[1]))
	case strings.TrimSpace(args[0]) == "":
		return usageError("the query is empty")
	}
	// Opening would make it, and a search in a new database finds nothing and says nothing.
	if _, err := os.Stat(f.db); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database '%s'; qntx-embed ingest makes one, --db names another", f.db)
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

	response, err := server.Search(ctx, service, store, args[0], f.limit, f.threshold)
	if err != nil {
		return err
	}
	if f.json {
		encoder := json.NewEncoder(c.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(response)
	}
	if len(response.Results) == 0 {
		fmt.Fprintf(c.err, "nothing in %s has a cosine of %v or more to this; --threshold takes less\n", f.db, f.threshold)
		return nil
	}
	return writeTable(c.out, response.Results)
}

// writeTable prints a line for each result, cut to the width of a terminal.
func writeTable(w io.Writer, results []server.SearchResult) error {
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "SIMILARITY\tTYPE\tID\tTEXT")
	oneLine := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, r := range results {
		fmt.Fprintf(columns, "%.4f\t%s\t%s\t%s\n", r.Similarity, oneLine(r.SourceType), oneLine(r.SourceID), oneLine(r.Text))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	text := table.String()
	if isTerminal(w) {
		if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil {
			text = cut(text, width)
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// cut shortens each line to a number of characters.
func cut(text string, width int) string {
	var short strings.Builder
	for line := range strings.Lines(text) {
		if runes := []rune(strings.TrimSuffix(line, "\n")); len(runes) > width && width > 1 {
			line = string(runes[:width-1]) + "…\n"
		}
		short.WriteString(line)
	}
	return short.String()
}
