//go:build rustembeddings && cgo

package weaviate_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/clustertest"
)

// TestScale measures a cluster of three nodes on this machine beside a SQLite file, with the same rows and queries;
// benches/scale.sh runs it and docs/scale.md has what it prints.
func TestScale(t *testing.T) {
	rows, err := strconv.Atoi(os.Getenv("QNTX_EMBED_TEST_SCALE"))
	if err != nil {
		t.Skip("benches/scale.sh sets QNTX_EMBED_TEST_SCALE to a number of rows")
	}
	const dimensions, queries, batch, wanted = 384, 500, 200, 10
	cluster := clustertest.Start(t)
	file := filepath.Join(t.TempDir(), "scale.db")
	sqlite, err := embeddings.OpenEmbeddingStore(file)
	if err != nil {
		t.Fatal(err)
	}
	defer sqlite.Close()
	replicas, err := strconv.Atoi(cmp.Or(os.Getenv("QNTX_EMBED_TEST_SCALE_REPLICAS"), "3"))
	if err != nil {
		t.Fatal(err)
	}
	// Each node has its part, once or all of it.
	distributed := open(t, cluster, fmt.Sprintf("write=quorum&read=quorum&shards=%d&replicas=%d", max(1, 3/replicas), replicas))

	all := vectors(rand.New(rand.NewPCG(11, 12)), rows+queries, dimensions)
	var records []embeddings.Record
	for i, vector := range all[:rows] {
		records = append(records, embeddings.Record{
			SourceType: "note", SourceID: fmt.Sprint(i), Text: fmt.Sprintf("the text of note %d, with %d words in it", i, i%100),
			Model: "m", Fingerprint: "f", Vector: vector, Metadata: embeddings.Metadata{"n": i % 100},
		})
	}
	out := os.Stdout
	fmt.Fprintf(out, "%d rows of %d dimensions; %d processors (%s/%s), %s, three nodes on the same machine, replication %d\n",
		rows, dimensions, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), replicas)
	fmt.Fprintln(out, "| store | ingest, rows/s | search p50 | p99 | filtered (1 of 10) p50 | p99 | 8 at once, searches/s | recall@10 | memory | disk |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	var exact []map[string]bool
	for _, subject := range []struct {
		name    string
		store   embeddings.Store
		writers int
	}{{"SQLite file", sqlite, 1}, {"Weaviate, three nodes", distributed, 4}} {
		start := time.Now()
		work := make(chan []embeddings.Record)
		var writers sync.WaitGroup
		for range subject.writers {
			writers.Go(func() {
				for part := range work {
					if _, err := subject.store.Put(t.Context(), part); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for part := range slices.Chunk(records, batch) {
			work <- part
		}
		close(work)
		writers.Wait()
		ingest := float64(rows) / time.Since(start).Seconds()

		search := func(query []float32, filter embeddings.Filter) []embeddings.Match {
			found, err := subject.store.Search(t.Context(), query, embeddings.SearchOptions{
				Fingerprint: "f", Limit: wanted, Threshold: -1, Filter: filter, WithoutVectors: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		for range 100 { // caches, and the file's index in memory
			search(all[rows], embeddings.Filter{})
		}
		same := 0
		measure := func(filter embeddings.Filter, compare bool) (p50, p99 time.Duration) {
			var times []time.Duration
			for i, query := range all[rows:] {
				start := time.Now()
				found := search(query, filter)
				times = append(times, time.Since(start))
				if !compare {
					continue
				}
				if len(exact) <= i {
					exact = append(exact, map[string]bool{})
					for _, m := range found {
						exact[i][m.SourceID] = true
					}
				}
				for _, m := range found {
					if exact[i][m.SourceID] {
						same++
					}
				}
			}
			slices.Sort(times)
			return times[len(times)/2], times[len(times)*99/100]
		}
		p50, p99 := measure(embeddings.Filter{}, true)
		filtered50, filtered99 := measure(embeddings.Lt(embeddings.Meta("n"), 10), false)

		const readers = 8
		start = time.Now()
		var reading sync.WaitGroup
		for r := range readers {
			reading.Go(func() {
				for i := range queries / readers {
					if _, err := subject.store.Search(t.Context(), all[rows+(r*queries/readers)+i], embeddings.SearchOptions{
						Fingerprint: "f", Limit: wanted, Threshold: -1, WithoutVectors: true}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		reading.Wait()
		rate := float64(readers*(queries/readers)) / time.Since(start).Seconds()

		memory, disk := "in the process", sizeOf(filepath.Dir(file))
		if subject.store == embeddings.Store(distributed) {
			memory, disk = fmt.Sprintf("%d MB", cluster.Memory()/1_000_000), sizeOf(cluster.Directory())
		}
		fmt.Fprintf(out, "| %s | %.0f | %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.0f | %.4f | %s | %d MB |\n", subject.name, ingest, ms(p50), ms(p99),
			ms(filtered50), ms(filtered99), rate, float64(same)/(queries*wanted), memory, disk/1_000_000)
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmRSS") {
				fmt.Fprint(out, "the measuring process, rows and queries included: ", line)
			}
		}
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func sizeOf(directory string) (bytes int64) {
	_ = filepath.WalkDir(directory, func(_ string, entry os.DirEntry, err error) error { // files come and go
		if err == nil && !entry.IsDir() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
