// The Go module chromem-go, as a measured search (its modes are in ../../README.md).
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/philippgille/chromem-go"
)

const (
	dimensions = 384
	k          = 10
	batch      = 10_000
	parts      = 10
	collection = "rows"
)

// filters are those of ../../search_data.py, where their names come from.
var filters = []struct {
	name  string
	where map[string]string
}{
	{"all", nil},
	{"half", map[string]string{"half": "1"}},
	{"percent", map[string]string{"percent": "42"}},
	{"myriad", map[string]string{"myriad": "4242"}},
}

type result map[string]any

func main() {
	out, err := run(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-chromem:", err)
		os.Exit(1)
	}
}

func run(args []string) (result, error) {
	switch {
	case len(args) == 4 && args[0] == "ingest":
		rows, err := strconv.Atoi(args[2])
		if err != nil {
			return nil, err
		}
		return ingest(args[1], rows, args[3])
	case len(args) == 6 && args[0] == "search":
		seconds, err := strconv.ParseFloat(args[4], 64)
		if err != nil {
			return nil, err
		}
		return search(args[1], args[3], time.Duration(seconds*float64(time.Second)), args[5])
	}
	return nil, fmt.Errorf("no mode %q, see benches/README.md", args)
}

// noTexts stands in for a model: all vectors are given.
func noTexts(context.Context, string) ([]float32, error) {
	return nil, fmt.Errorf("no text is to be embedded")
}

// ingest adds the rows in tenths, each in batches of at most 10,000; reading the vectors is not counted. The database is
// in memory and written whole in the end: the persistent kind makes a file of each row.
func ingest(data string, rows int, store string) (result, error) {
	vectors, err := os.Open(filepath.Join(data, "vectors.f32"))
	if err != nil {
		return nil, err
	}
	defer vectors.Close()
	tags, err := os.ReadFile(filepath.Join(data, "tags.u16"))
	if err != nil {
		return nil, err
	}
	db := chromem.NewDB()
	into, err := db.CreateCollection(collection, nil, noTexts)
	if err != nil {
		return nil, err
	}
	var took []float64
	for part := range parts {
		var counted time.Duration
		end := rows * (part + 1) / parts
		for first := rows * part / parts; first < end; first += batch {
			documents, err := documents(vectors, tags, first, min(batch, end-first))
			if err != nil {
				return nil, err
			}
			start := time.Now()
			if err := into.AddDocuments(context.Background(), documents, runtime.NumCPU()); err != nil {
				return nil, err
			}
			counted += time.Since(start)
		}
		took = append(took, counted.Seconds())
	}
	start := time.Now()
	if err := db.ExportToFile(filepath.Join(store, "rows.gob"), false, ""); err != nil {
		return nil, err
	}
	return result{"parts_s": took, "finish_s": time.Since(start).Seconds()}, nil
}

// documents reads the next rows.
func documents(vectors io.Reader, tags []byte, first, count int) ([]chromem.Document, error) {
	numbers, err := readVectors(vectors, count)
	if err != nil {
		return nil, err
	}
	documents := make([]chromem.Document, count)
	for i := range documents {
		tag := int(binary.LittleEndian.Uint16(tags[2*(first+i):]))
		documents[i] = chromem.Document{
			ID: strconv.Itoa(first + i),
			Metadata: map[string]string{
				"half": strconv.Itoa(tag % 2), "percent": strconv.Itoa(tag % 100), "myriad": strconv.Itoa(tag),
			},
			Embedding: numbers[i],
		}
	}
	return documents, nil
}

func readVectors(from io.Reader, count int) ([][]float32, error) {
	bytes := make([]byte, 4*dimensions*count)
	if _, err := io.ReadFull(from, bytes); err != nil {
		return nil, err
	}
	vectors := make([][]float32, count)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		for j := range vectors[i] {
			vectors[i][j] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*(dimensions*i+j):]))
		}
	}
	return vectors, nil
}

// answer is a query that was made, and the numbers of the rows found in words.
type answer struct {
	query int
	ids   string
}

type searched struct {
	rows    *chromem.Collection
	queries [][]float32
}

func (s searched) search(query int, where map[string]string) (answer, error) {
	found, err := s.rows.QueryEmbedding(context.Background(), s.queries[query], k, where, nil)
	if err != nil {
		return answer{}, err
	}
	ids := make([]string, len(found))
	for i, hit := range found {
		ids[i] = hit.ID
	}
	return answer{query, "[" + strings.Join(ids, ",") + "]"}, nil
}

func search(data, store string, window time.Duration, answersFile string) (result, error) {
	file, err := os.Open(filepath.Join(data, "queries.f32"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	queries, err := readVectors(file, int(info.Size())/(4*dimensions))
	if err != nil {
		return nil, err
	}
	start := time.Now()
	db := chromem.NewDB()
	if err := db.ImportFromFile(filepath.Join(store, "rows.gob"), ""); err != nil {
		return nil, err
	}
	s := searched{db.GetCollection(collection, noTexts), queries}
	opened := time.Now()
	if _, err := s.search(0, nil); err != nil {
		return nil, err
	}
	first := time.Since(opened)

	var cells []result
	answers := map[string][][2]json.RawMessage{}
	for _, filter := range filters {
		found := map[answer]bool{}
		for _, callers := range []int{1, 8} {
			cell, err := s.cell(filter.where, callers, window, found)
			if err != nil {
				return nil, err
			}
			cell["filter"] = filter.name
			cells = append(cells, cell)
		}
		for a := range found {
			pair := [2]json.RawMessage{json.RawMessage(strconv.Itoa(a.query)), json.RawMessage(a.ids)}
			answers[filter.name] = append(answers[filter.name], pair)
		}
	}
	written, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(answersFile, written, 0o644); err != nil {
		return nil, err
	}
	return result{
		"open_ms": milliseconds(opened.Sub(start)), "first_ms": milliseconds(first), "cells": cells, "rss_mb": rss(),
	}, nil
}

// cell lets goroutines search, after one search each that does not count. All searches that begin within the window
// count, and the time until the last of them has ended. What they find goes into found.
func (s searched) cell(
	where map[string]string, callers int, window time.Duration, found map[answer]bool,
) (result, error) {
	var (
		mutex     sync.Mutex
		ready     sync.WaitGroup
		done      sync.WaitGroup
		failed    error
		latencies []float64
		elapsed   time.Duration
	)
	ready.Add(callers)
	for number := range callers {
		done.Go(func() {
			_, err := s.search(number, where)
			ready.Done()
			ready.Wait()
			begin := time.Now()
			for place := number; err == nil && time.Since(begin) < window; place += callers {
				start := time.Now()
				var a answer
				a, err = s.search(place%len(s.queries), where)
				took := time.Since(start)
				mutex.Lock()
				latencies = append(latencies, milliseconds(took))
				found[a] = true
				mutex.Unlock()
			}
			mutex.Lock()
			defer mutex.Unlock()
			elapsed = max(elapsed, time.Since(begin))
			if err != nil {
				failed = err
			}
		})
	}
	done.Wait()
	return result{
		"callers": callers, "searches": len(latencies), "seconds": elapsed.Seconds(),
		"p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99),
	}, failed
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// percentile is by nearest rank; null where nothing was measured.
func percentile(values []float64, share float64) any {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	return values[max(int(math.Ceil(float64(len(values))*share)), 1)-1]
}

// rss is in megabytes by /proc/self/status; 0 where there is none.
func rss() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1024
		}
	}
	return 0
}
