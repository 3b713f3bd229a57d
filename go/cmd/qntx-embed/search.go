package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
	"github.com/teranos/libqntx_embed/go/server"
)

func runSearch(ctx context.Context, f *flags, args []string, c console) error {
	query := ""
	if len(args) > 0 {
		query = args[0]
		if err := wire.Blank("the query", query); err != nil {
			return usageError(err.Error())
		}
	}
	if len(args) > 1 {
		return usageError(fmt.Sprintf("unexpected argument %q; put a query of several words in quotes", args[1]))
	}
	request, err := f.search.Finish(query, errors.New("a query is missing"))
	if err != nil {
		return usageError(err.Error())
	}
	if err := mustBeThere(f); err != nil { // before the model, which takes longer
		return err
	}
	var service embeddings.EmbeddingService
	if request.Options.Like == "" {
		opened, err := openService(ctx, f)
		if err != nil {
			return err
		}
		defer opened.Close()
		service = opened
	}
	store, err := openThere(f)
	if err != nil {
		return err
	}
	defer store.Close()
	response, err := server.Search(ctx, service, store, server.SearchRequest(request))
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(c.out, response)
	}
	if e := response.Explain; e != nil {
		fmt.Fprintf(c.err, "index %s: %d vectors compared in %d rounds; %d rows have the words; "+
			"%d µs (vector %d, words %d, rows %d)\n",
			e.Index, e.Compared, e.Rounds, e.Matched, e.TotalMicros, e.VectorMicros, e.WordsMicros, e.RowsMicros)
	}
	if len(response.Results) == 0 {
		if request.Mode == server.ModeKeywords {
			fmt.Fprintf(c.err, "nothing in %s has one of these words\n", f.place())
		} else {
			fmt.Fprintf(c.err, "nothing in %s has a cosine of %v or more to this; --threshold takes less\n",
				f.place(), request.Options.Threshold)
		}
		return nil
	}
	if err := writeTable(c.out, response.Results); err != nil {
		return err
	}
	if response.Next != "" {
		fmt.Fprintf(c.err, "what follows: --after %s\n", response.Next)
	}
	return nil
}

// writeTable prints a line for each result.
func writeTable(w io.Writer, results []server.SearchResult) error {
	header := []string{"SIMILARITY", "TYPE", "ID", "TEXT"}
	if results[0].SearchDetails != nil {
		header = []string{"SCORE", "VECTOR", "WORDS", "SIMILARITY", "ROW", "TYPE", "ID", "CHUNK", "TEXT"}
	}
	table := newTable(w, w, header...)
	for _, r := range results {
		cells := []string{fmt.Sprintf("%.4f", r.Similarity), r.SourceType, r.SourceID, r.Text}
		if d := r.SearchDetails; d != nil {
			cells = []string{fmt.Sprintf("%.4f", d.Score), rank(d.VectorRank), rank(d.WordsRank), cells[0], d.ID,
				r.SourceType, r.SourceID, fmt.Sprint(d.Chunk), r.Text}
		}
		if err := table.line(cells...); err != nil {
			return err
		}
	}
	return table.flush()
}

// rank is a place from 1; 0 is none.
func rank(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
