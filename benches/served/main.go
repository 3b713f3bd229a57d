// Command served measures how much of the engine's own rate is left when its texts come one by one over HTTP: 64 clients of
// single short texts at /v1/embeddings, beside EmbedBatch with all of the same texts, with one and with 32, in this process, in turns.
//
//	go run -tags rustembeddings . -server ../../bin/qntx-embed -model DIR
//
// The clients are in this process too and take their part of the same processors; the last column leaves that part out.
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
	"strconv"
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
	address, pid, stop, err := serve(program, model, runtime)
	if err != nil {
		return err
	}
	defer stop()
	name := filepath.Base(model)
	ways := []struct {
		name   string
		served bool
		rate   func(length time.Duration) (float64, error)
	}{
		{"batch", false, func(length time.Duration) (float64, error) { return batchRate(service, texts, length) }},
		{"calls in process", false, func(length time.Duration) (float64, error) { return callRate(service, texts, clients, 1, length) }},
		{"2 calls of 32 texts", false, func(length time.Duration) (float64, error) { return callRate(service, texts, 2, 32, length) }},
		{"served, base64", true, func(length time.Duration) (float64, error) {
			return servedRate(address, name, "base64", texts, clients, length)
		}},
		{"served, float", true, func(length time.Duration) (float64, error) {
			return servedRate(address, name, "float", texts, clients, length)
		}},
	}
	// Texts a second, and texts a second of processor time of the process that embeds.
	found, costs := make([][]float64, len(ways)), make([][]float64, len(ways))
	for round := range rounds + 1 { // the first warms up
		for i, way := range ways {
			process := os.Getpid()
			if way.served {
				process = pid
			}
			begun, before := time.Now(), processorTime(process)
			rate, err := way.rate(length)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			if round > 0 {
				found[i] = append(found[i], rate)
				costs[i] = append(costs[i], rate*time.Since(begun).Seconds()/(processorTime(process)-before).Seconds())
			}
		}
	}
	fmt.Printf("%d clients of single texts of %d to %d words; median of %d rounds of %v (least to most)\n\n", clients, fewest, most, rounds, length)
	fmt.Printf("| | texts/s | x batch | by its own processor time, x batch |\n|---|--:|--:|--:|\n")
	for i, way := range ways {
		fmt.Printf("| %s | %.0f (%.0f to %.0f) | %.2f | %.2f |\n", way.name, median(found[i]), slices.Min(found[i]), slices.Max(found[i]),
			median(ratios(found[i], found[0])), median(ratios(costs[i], costs[0])))
	}
	return nil
}

// ratios are those of the pairs.
func ratios(these, those []float64) []float64 {
	pairs := make([]float64, len(these))
	for i := range these {
		pairs[i] = these[i] / those[i]
	}
	return pairs
}

// processorTime is what a process has used of processors so far, in the system and outside it, in steps of 10 ms.
func processorTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field, a name in parentheses, may have spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
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

// callRate is how many texts a second are embedded for goroutines that each wait for so many: what is left of the rate before HTTP.
func callRate(service *embeddings.ManagedEmbeddingService, texts []string, callers, size int, length time.Duration) (float64, error) {
	var next, done atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begun := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(begun) < length && failed.Load() == nil {
				at := int(next.Add(int64(size))) % (len(texts) - size + 1)
				if _, err := service.EmbedBatch(context.Background(), texts[at:at+size]); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(int64(size))
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begun).Seconds(), nil
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

// ask sends a request and reads past its answer with as little work as wrk has with it: what clients take, the server lacks.
func ask(connection io.Writer, answers *bufio.Reader, request []byte) error {
	if _, err := connection.Write(request); err != nil {
		return err
	}
	status, err := answers.ReadString('\n')
	if err != nil {
		return err
	}
	length := -1
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	switch {
	case length < 0:
		return fmt.Errorf("%q without Content-Length", strings.TrimSpace(status))
	case !strings.HasPrefix(status, "HTTP/1.1 200 "):
		body, _ := io.ReadAll(io.LimitReader(answers, int64(length)))
		return fmt.Errorf("%s: %s", strings.TrimSpace(status), body)
	}
	_, err = answers.Discard(length)
	return err
}

// serve starts the program, with a log as it has by default.
func serve(program, model, runtime string) (address string, pid int, stop func(), err error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, nil, err
	}
	address = free.Addr().String()
	free.Close()
	scratch, err := os.MkdirTemp("", "served-")
	if err != nil {
		return "", 0, nil, err
	}
	args := []string{"serve", "--listen", address, "--model", model, "--db", filepath.Join(scratch, "served.db"), "--pprof"}
	if runtime != "" {
		args = append(args, "--onnxruntime", runtime)
	}
	cmd := exec.Command(program, args...)
	if cmd.Stderr, err = os.Create(filepath.Join(scratch, "log")); err != nil {
		return "", 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
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
				return address, cmd.Process.Pid, stop, nil
			}
		}
		select {
		case err := <-ended:
			log, _ := os.ReadFile(filepath.Join(scratch, "log"))
			os.RemoveAll(scratch)
			return "", 0, nil, fmt.Errorf("%s serve ended (%v):\n%s", program, err, log)
		default:
		}
		if time.Now().After(deadline) {
			stop()
			return "", 0, nil, fmt.Errorf("%s is not ready after a minute", program)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
