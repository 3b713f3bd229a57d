// The Go module hugot with ONNX Runtime, as a measured program (its modes are in ../../README.md).
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/options"
	"github.com/knights-analytics/hugot/pipelines"
)

const (
	oneText       = "how do I stop the pump before it floods"
	oneTextRuns   = 200
	batchSize     = 32 // hugot runs what it is given as one batch
	callersWarmUp = time.Second
)

type corpus struct {
	Texts  []string `json:"texts"`
	Tokens []int    `json:"tokens"`
}

type result map[string]any

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-hugot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: MODE CORPUS …, see benches/README.md")
	}
	var texts corpus
	bytes, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(bytes, &texts); err != nil {
		return fmt.Errorf("corpus %s: %w", args[1], err)
	}

	start := time.Now()
	session, err := hugot.NewORTSession(options.WithOnnxLibraryPath(filepath.Dir(os.Getenv("BENCH_ONNXRUNTIME_LINK"))))
	if err != nil {
		return err
	}
	defer session.Destroy()
	pipeline, err := hugot.NewPipeline(session, hugot.FeatureExtractionConfig{
		ModelPath: os.Getenv("BENCH_ONNX"), Name: "bench", OnnxFilename: "model.onnx",
	})
	if err != nil {
		return err
	}
	load := milliseconds(time.Since(start))
	rssOpen := rss()

	var out result
	switch {
	case args[0] == "batch" && len(args) == 3:
		out, err = batch(pipeline, texts, args[2])
	case args[0] == "callers" && len(args) == 4:
		out, err = callers(pipeline, texts, args[2], args[3])
	default:
		err = fmt.Errorf("no mode %s with %d more arguments, see benches/README.md", args[0], len(args)-2)
	}
	if err != nil {
		return err
	}
	out["load_ms"], out["rss_open_mb"] = load, rssOpen
	return json.NewEncoder(os.Stdout).Encode(out)
}

func embedAll(pipeline *pipelines.FeatureExtractionPipeline, texts []string) ([][]float32, error) {
	vectors := make([][]float32, 0, len(texts))
	for chunk := range slices.Chunk(texts, batchSize) {
		output, err := pipeline.RunPipeline(chunk)
		if err != nil {
			return nil, err
		}
		vectors = append(vectors, output.Embeddings...)
	}
	return vectors, nil
}

func batch(pipeline *pipelines.FeatureExtractionPipeline, texts corpus, vectorsFile string) (result, error) {
	if _, err := embedAll(pipeline, texts.Texts); err != nil {
		return nil, err
	}
	start := time.Now()
	vectors, err := embedAll(pipeline, texts.Texts)
	seconds := time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	var one []float64
	for i := range oneTextRuns + oneTextRuns/10 {
		start := time.Now()
		if _, err := pipeline.RunPipeline([]string{oneText}); err != nil {
			return nil, err
		}
		if i >= oneTextRuns/10 {
			one = append(one, milliseconds(time.Since(start)))
		}
	}
	used := rss()
	var bytes []byte
	for _, vector := range vectors {
		for _, x := range vector {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
		}
	}
	if err := os.WriteFile(vectorsFile, bytes, 0o644); err != nil {
		return nil, err
	}
	return result{
		"seconds": seconds, "one_p50_ms": percentile(one, 0.5), "one_p99_ms": percentile(one, 0.99), "rss_mb": used,
	}, nil
}

// callers lets goroutines embed one text at a time, all with the one pipeline. What ends within the window counts; in the
// latencies also what still waits then, or one who is never served would not be seen.
func callers(pipeline *pipelines.FeatureExtractionPipeline, texts corpus, count, window string) (result, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseFloat(window, 64)
	if err != nil {
		return nil, err
	}
	var (
		next      atomic.Int64
		mutex     sync.Mutex
		group     sync.WaitGroup
		failed    error
		latencies []float64
		counted   int
		tokens    int
	)
	begin := time.Now().Add(callersWarmUp)
	end := begin.Add(time.Duration(seconds * float64(time.Second)))
	for range n {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				i := int(next.Add(1)-1) % len(texts.Texts)
				start := time.Now()
				_, err := pipeline.RunPipeline(texts.Texts[i : i+1])
				now := time.Now()
				mutex.Lock()
				if err != nil {
					failed = err
				} else if !now.Before(begin) {
					latencies = append(latencies, milliseconds(now.Sub(start)))
					if now.Before(end) {
						counted++
						tokens += texts.Tokens[i]
					}
				}
				mutex.Unlock()
				if err != nil || !now.Before(end) {
					return
				}
			}
		}()
	}
	group.Wait()
	return result{
		"seconds": seconds, "texts": counted, "tokens": tokens,
		"p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99), "rss_mb": rss(),
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
