package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func copyCommand() command {
	return command{
		name:    "copy",
		summary: "copies all rows from one store to another: files and clusters",
		about: `Copies the rows of --from to --to, with their ids and vectors: a store is a database FILE or the URL
of a Weaviate cluster. Nothing is embedded, and no model is needed. Rows that are there already, and
the same, cost a look; so a copy that was stopped (Ctrl-C, or a failure) is taken up by the same
command, or, faster, with the --after that was printed. Times are the new store's.

At the end the counts of each model are compared, and 200 rows, chosen at random, in all that they
have. Rows that are written to --from meanwhile may or may not be copied: copy once more.

Examples:
  qntx-embed copy --from qntx-embed.db --to weaviate://db1:8080,db2:8080,db3:8080
  qntx-embed copy --from weaviate://db1:8080 --to backup.db
`,
		flags: func() *flags { return newFlags(withCluster, withCopy) },
		run:   runCopy,
	}
}

func withCopy(f *flags) {
	f.set.StringVar(&f.from, "from", "", "copy what is in this `STORE`, a file or a URL")
	f.set.StringVar(&f.to, "to", "", "to this `STORE`, which is made where it is missing")
	f.set.StringVar(&f.after, "after", "", "only rows after that with this `ID`: where another copy has ended")
}

// openNamed opens a file or a cluster.
func openNamed(f *flags, name string) (anyStore, error) {
	if strings.Contains(name, "://") {
		return f.cluster.open(name)
	}
	named := *f
	named.db = name
	return openFile(&named)
}

func runCopy(ctx context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) > 0:
		return unexpected(args[0])
	case f.from == "" || f.to == "":
		return usageError("--from and --to are needed, each a database file or the URL of a cluster")
	case f.from == f.to || sameFile(f.from, f.to):
		return usageError("--from and --to are the same")
	}
	if !strings.Contains(f.from, "://") {
		if err := mustExist(f.from); err != nil {
			return err
		}
	}
	from, err := openNamed(f, f.from)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := openNamed(f, f.to)
	if err != nil {
		return err
	}
	defer to.Close()

	start := time.Now()
	progress := newProgress(c.err, 0, "rows")
	done, err := copyRows(ctx, from, to, f.after, progress)
	progress.done()
	if err != nil {
		if done.last != "" {
			err = fmt.Errorf("%w (the rows up to '%s' are copied: --after %s goes on from there)", err, done.last, done.last)
		}
		return err
	}
	if err := compareStores(ctx, from, to, done); err != nil {
		return fmt.Errorf("the copy is not as its original: %w; the same command again completes it", err)
	}
	fmt.Fprintf(c.out, "%d rows from %s to %s: %d inserted, %d replaced, %d unchanged (%.1f s); counts of %d models and %d rows are compared\n",
		done.rows, f.from, f.to, done.outcomes[embeddings.Inserted], done.outcomes[embeddings.Replaced], done.outcomes[embeddings.Unchanged],
		time.Since(start).Seconds(), len(done.models), len(done.sample))
	return nil
}

// copied is what a copy has done.
type copied struct {
	rows     int
	last     string // the id up to which all is copied
	outcomes map[embeddings.Outcome]int
	models   map[string]bool // fingerprints
	sample   []embeddings.Embedding
}

// sampleRows is how many rows are compared in all that they have.
const sampleRows = 200

func copyRows(ctx context.Context, from, to embeddings.Store, after string, progress *progress) (*copied, error) {
	done := &copied{outcomes: map[embeddings.Outcome]int{}, models: map[string]bool{}}
	total, err := from.Count(ctx, embeddings.Selection{})
	if err != nil {
		return done, err
	}
	if after == "" {
		progress.total = int64(total)
	}
	var batch []embeddings.Record
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		outcomes, err := to.Put(ctx, batch)
		if err != nil {
			return err
		}
		for _, outcome := range outcomes {
			done.outcomes[outcome]++
		}
		done.rows, done.last = done.rows+len(batch), batch[len(batch)-1].ID
		batch = batch[:0]
		progress.show(int64(done.rows), done.rows)
		return nil
	}
	seen := 0
	for row, err := range from.List(ctx, embeddings.ListOptions{After: after}) {
		if err != nil {
			return done, err
		}
		done.models[row.Fingerprint] = true
		batch = append(batch, row.Record)
		// Any row is as likely to be in the sample as any other.
		if seen++; len(done.sample) < sampleRows {
			done.sample = append(done.sample, *row)
		} else if at := rand.IntN(seen); at < sampleRows {
			done.sample[at] = *row
		}
		if len(batch) == batchSize {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}

// settling is for how long counts may differ: replicas of a cluster take some time to be alike.
const settling = 30 * time.Second

func compareStores(ctx context.Context, from, to embeddings.Store, done *copied) error {
	for _, fingerprint := range slices.Sorted(maps.Keys(done.models)) {
		for start := time.Now(); ; {
			selection := embeddings.Selection{Fingerprint: fingerprint}
			wanted, err := from.Count(ctx, selection)
			if err != nil {
				return err
			}
			got, err := to.Count(ctx, selection)
			if err != nil {
				return err
			}
			if got >= wanted { // it may have had others before
				break
			}
			if time.Since(start) > settling {
				return fmt.Errorf("it has %d rows of fingerprint %s, the original %d", got, fingerprint, wanted)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", embeddings.ErrCancelled, ctx.Err())
			case <-time.After(time.Second):
			}
		}
	}
	for i := range done.sample {
		want := &done.sample[i]
		got, err := to.Get(ctx, want.ID)
		if errors.Is(err, embeddings.ErrNotFound) {
			return fmt.Errorf("the row '%s' is missing", want.ID)
		}
		if err != nil {
			return err
		}
		if got.SourceType != want.SourceType || got.SourceID != want.SourceID || got.Chunk != want.Chunk || got.Text != want.Text ||
			got.ChunkStart != want.ChunkStart || got.ChunkEnd != want.ChunkEnd || got.Model != want.Model ||
			got.Fingerprint != want.Fingerprint || !maps.Equal(got.Metadata, want.Metadata) || !slices.Equal(got.Vector, want.Vector) {
			return fmt.Errorf("the row '%s' (%s '%s') differs", want.ID, want.SourceType, want.SourceID)
		}
	}
	return nil
}
