// Command served measures how much of the engine's own rate is left when its texts come one by one over HTTP: 64 clients of
// single short texts at /v1/embeddings, beside EmbedBatch of the same texts in this process, in turns.
//
//	go run -tags rustembeddings . -server ../../bin/qntx-embed -model DIR
//
// The clients are in this process too, so they take their part of the same processors.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func main() {
	program := flag.String("server", "bin/qntx-embed", "the program")
	model := flag.String("model", "models/all-MiniLM-L6-v2", "its model")
	corpus := flag.String("corpus", "examples/corpus.jsonl", "whose words texts are made of")
	runtime := flag.String("onnxruntime", "", "ONNX Runtime's library")
	rounds := flag.Int("rounds", 5, "pairs of rounds")
	length := flag.Duration("time", 5*time.Second, "of each round")
	clients := flag.Int("clients", 64, "at once")
	flag.Parse()
	if err := run(*program, *model, *corpus, *runtime, *rounds, *length, *clients); err != nil {
		fmt.Fprintln(os.Stderr, "served:", err)
		os.Exit(1)
	}
}

func run(program, model, corpus, runtime string, rounds int, length time.Duration, clients int) error {
	texts, err := shortTexts(corpus)
	if err != nil {
		return err
	}
	service, err := embeddings.NewManagedEmbeddingService(model, embeddings.WithONNXRuntime(runtime))
	if err != nil {
		return err
	}
	defer service.Close()
	address, stop, err := serve(program, model, runtime)
	if err != nil {
		return err
	}
	defer stop()
	name := filepath.Base(model)
	ways := []struct {
		name string
		rate func(length time.Duration) (float64, error)
	}{
		{"batch", func(length time.Duration) (float64, error) { return batchRate(service, texts, length) }},
		{"served, base64", func(length time.Duration) (float64, error) {
			return servedRate(address, name, "base64", texts, clients, length)
		}},
		{"served, float", func(length time.Duration) (float64, error) {
			return servedRate(address, name, "float", texts, clients, length)
		}},
	}
	found := make([][]float64, len(ways))
	for round := range rounds + 1 { // the first warms up
		for i, way := range ways {
			rate, err := way.rate(length)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if round > 0 {
				found[i] = append(found[i], rate)
			}
		}
	}
	fmt.Printf("%d clients of single texts of %d to %d words; median of %d rounds of %v (least to most)\n\n", clients, fewest, most, rounds, length)
	fmt.Printf("| | texts/s | x batch, median of pairs |\n|---|--:|--:|\n")
	for i, way := range ways {
		ratios := make([]float64, rounds)
		for round := range rounds {
			ratios[round] = found[i][round] / found[0][round]
		}
		fmt.Printf("| %s | %.0f (%.0f to %.0f) | %.2f |\n", way.name, median(found[i]), slices.Min(found[i]), slices.Max(found[i]), median(ratios))
	}
	return nil
}

// Words of a text: with all-MiniLM-L6-v2 about as many tokens, and some.
const fewest, most = 3, 14

// shortTexts are a thousand different ones.
func shortTexts(corpus string) (texts []string, err error) {
	data, err := os.ReadFile(corpus)
	if err != nil {
		return nil, err
	}
	var words []string
	for line := range bytes.Lines(data) {
		var item struct{ Text string }
		if err := json.Unmarshal(line, &item); err != nil {
			return nil, err
		}
		words = append(words, strings.Fields(item.Text)...)
	}
	seen := map[string]bool{}
	for at, length := 0, fewest; len(texts) < 1000; at, length = at+6, fewest+(length-fewest+5)%(most-fewest+1) {
		if at+length > len(words) {
			return nil, fmt.Errorf("%s has too few words: %d", corpus, len(words))
		}
		if text := strings.Join(words[at:at+length], " "); !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// batchRate is how many texts a second calls of EmbedBatch embed that have all of them.
func batchRate(service *embeddings.ManagedEmbeddingService, texts []string, length time.Duration) (float64, error) {
	begun, done := time.Now(), 0
	for time.Since(begun) < length {
		if _, err := service.EmbedBatch(context.Background(), texts); err != nil {
			return 0, err
		}
		done += len(texts)
	}
	return float64(done) / time.Since(begun).Seconds(), nil
}

// servedRate is how many texts a second are answered to clients that each wait for one.
func servedRate(address, model, encoding string, texts []string, clients int, length time.Duration) (float64, error) {
	requests := make([][]byte, len(texts))
	for i, text := range texts {
		body, err := json.Marshal(map[string]string{"model": model, "input": text, "encoding_format": encoding})
		if err != nil {
			return 0, err
		}
		requests[i] = fmt.Appendf(nil, "POST /v1/embeddings HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			address, len(body), body)
	}
	var next, answered atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begun := time.Now()
	for range clients {
		all.Go(func() {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				failed.Store(&err)
				return
			}
			defer connection.Close()
			answers := bufio.NewReader(connection)
			for time.Since(begun) < length && failed.Load() == nil {
				if err := ask(connection, answers, requests[next.Add(1)%int64(len(requests))]); err != nil {
					failed.Store(&err)
					return
				}
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(answered.Load()) / time.Since(begun).Seconds(), nil
}

func ask(connection io.Writer, answers *bufio.Reader, request []byte) error {
	if _, err := connection.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return err
}

// serve starts the program, with a log as it has by default.
func serve(program, model, runtime string) (address string, stop func(), err error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = free.Addr().String()
	free.Close()
	scratch, err := os.MkdirTemp("", "served-")
	if err != nil {
		return "", nil, err
	}
	args := []string{"serve", "--listen", address, "--model", model, "--db", filepath.Join(scratch, "served.db"), "--pprof"}
	if runtime != "" {
		args = append(args, "--onnxruntime", runtime)
	}
	cmd := exec.Command(program, args...)
	if cmd.Stderr, err = os.Create(filepath.Join(scratch, "log")); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		os.RemoveAll(scratch)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return address, stop, nil
			}
		}
		select {
		case err := <-ended:
			log, _ := os.ReadFile(filepath.Join(scratch, "log"))
			os.RemoveAll(scratch)
			return "", nil, fmt.Errorf("%s serve ended (%v):\n%s", program, err, log)
		default:
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, fmt.Errorf("%s is not ready after a minute", program)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
