//go:build rustembeddings && cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/testenv"
	"github.com/teranos/libqntx_embed/go/server"
)

// patience is how long a process may take before it counts as hanging.
const patience = 2 * time.Minute

var temporary string

func TestMain(m *testing.M) {
	var err error
	if temporary, err = os.MkdirTemp("", "qntx-embed-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(temporary)
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(temporary, "qntx-embed")
	output, err := exec.Command("go", "build", "-tags", "rustembeddings", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

// process is the real program, which is killed when it hangs.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "QNTX_EMBED_") })
	return cmd
}

// finish runs it to its end. There must be no panic, and after a failure one line that begins with the program's name.
func finish(t *testing.T, cmd *exec.Cmd) (code int, out, stderr string) {
	t.Helper()
	var outBuffer, errBuffer bytes.Buffer
	cmd.Stdout, cmd.Stderr = &outBuffer, &errBuffer
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	code, out, stderr = cmd.ProcessState.ExitCode(), outBuffer.String(), errBuffer.String()
	if code < 0 || code > 2 || strings.Contains(stderr, "panic") || strings.Contains(stderr, "goroutine ") {
		t.Fatalf("%q: exit code %d\n%s", cmd.Args, code, stderr)
	}
	if code == 1 && (!strings.HasPrefix(stderr, "qntx-embed: ") || strings.Count(stderr, "\n") != 1) {
		t.Errorf("%q: expected one line that says what is wrong:\n%s", cmd.Args, stderr)
	}
	return code, out, stderr
}

// daemon is a running server.
type daemon struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	log     *strings.Builder
	logged  chan struct{}
}

func startServer(t *testing.T, args ...string) *daemon {
	t.Helper()
	cmd := process(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--onnxruntime", testenv.ONNXRuntime(t)}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, cmd: cmd, log: new(strings.Builder), logged: make(chan struct{})}
	listening := make(chan string, 1)
	go func() {
		defer close(d.logged)
		defer close(listening)
		address := regexp.MustCompile(`msg=listening address=(http://\S+)`)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(d.log, lines.Text())
			if found := address.FindStringSubmatch(lines.Text()); found != nil {
				listening <- found[1]
			}
		}
	}()
	if d.address = <-listening; d.address == "" {
		cmd.Wait()
		t.Fatalf("the server did not start:\n%s", d.log)
	}
	return d
}

// stop sends a signal and expects an orderly end.
func (d *daemon) stop(signal os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(signal); err != nil {
		d.t.Fatal(err)
	}
	<-d.logged
	if err := d.cmd.Wait(); err != nil || !strings.Contains(d.log.String(), "shutting down") || strings.Contains(d.log.String(), "panic") {
		d.t.Errorf("after %v: %v\n%s", signal, err, d.log)
	}
}

func (d *daemon) search(query string) []server.SearchResult {
	d.t.Helper()
	response, err := http.Get(d.address + "/api/search/semantic?q=" + url.QueryEscape(query))
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	var found server.SearchResponse
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil || response.StatusCode != 200 {
		d.t.Fatal(response.Status, err)
	}
	return found.Results
}

func (d *daemon) post(path, body string) (status int, answer string) {
	d.t.Helper()
	response, err := http.Post(d.address+path, "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func TestTheProgramsVersionIsTheLibrarys(t *testing.T) {
	native, err := embeddings.LibraryVersion()
	if err != nil || native != version {
		t.Errorf("the program is %s, the library %s, error %v", version, native, err)
	}
	if code, out, _ := finish(t, process(t, "version")); code != 0 || !strings.HasPrefix(out, "qntx-embed "+version+" (libqntx_embed: "+version) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestFromTheExampleCorpusToASearchResult(t *testing.T) {
	corpus := filepath.Join(testenv.Repository(t), "examples", "corpus.jsonl")
	data, err := os.ReadFile(corpus)
	if err != nil {
		t.Fatal(err)
	}
	rows := bytes.Count(data, []byte("\n"))
	db := filepath.Join(t.TempDir(), "test.db")
	flags := []string{"--model", testenv.Model(t), "--onnxruntime", testenv.ONNXRuntime(t), "--db", db}

	for _, want := range []string{
		fmt.Sprintf("%d items: %d inserted, 0 replaced, 0 unchanged (", rows, rows),
		fmt.Sprintf("%d items: 0 inserted, 0 replaced, %d unchanged (", rows, rows),
	} {
		code, out, stderr := finish(t, process(t, append([]string{"ingest", corpus}, flags...)...))
		if code != 0 || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, fmt.Sprintf("test.db has %d rows\n", rows)) {
			t.Fatalf("ingest: exit code %d, %q, %s; expected %q", code, out, stderr, want)
		}
	}

	const query = "how do I stop the pump"
	var first []server.SearchResult
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		d := startServer(t, "--model", testenv.Model(t), "--db", db)
		found := d.search(query)
		if first == nil {
			first = found
		}
		if !slices.Equal(found, first) {
			t.Errorf("the server that opened the database again finds\n%+v, before\n%+v", found, first)
		}
		d.stop(signal)
		if strings.Contains(d.log.String(), "pump") {
			t.Errorf("a text is in the log:\n%s", d.log)
		}
	}
	checkPump(t, first)

	code, out, _ := finish(t, process(t, append([]string{"search", query, "--json"}, flags...)...))
	var response server.SearchResponse
	if err := json.Unmarshal([]byte(out), &response); code != 0 || err != nil || !slices.Equal(response.Results, first) {
		t.Errorf("search --json: exit code %d, error %v, %+v", code, err, response.Results)
	}
	code, out, _ = finish(t, process(t, append([]string{"search", query, "--limit", "2"}, flags...)...))
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 4 || !strings.Contains(lines[1], first[0].SourceID) {
		t.Errorf("search: exit code %d\n%s", code, out)
	}
	code, out, stderr := finish(t, process(t, append([]string{"search", query, "--threshold", "0.99"}, flags...)...))
	if code != 0 || out != "" || !strings.Contains(stderr, "0.99") {
		t.Errorf("search without results: exit code %d, %q, %q", code, out, stderr)
	}
}

// checkPump looks for the passages of examples/corpus.jsonl that say how the pump is stopped.
func checkPump(t *testing.T, results []server.SearchResult) {
	t.Helper()
	if len(results) < 3 {
		t.Fatalf("%+v", results)
	}
	stopping := []string{"pump-001", "pump-002", "pump-004", "pump-005", "pump-006", "pump-007"}
	for _, result := range results[:3] {
		if result.SourceType != "manual" || !slices.Contains(stopping, result.SourceID) {
			t.Errorf("%.4f %s %s does not say how the pump is stopped: %s", result.Similarity, result.SourceType, result.SourceID, result.Text)
		}
	}
}

func TestEmbedPrintsAVectorALine(t *testing.T) {
	flags := []string{"--model", testenv.TinyModel(t), "--onnxruntime", testenv.ONNXRuntime(t)}
	code, out, stderr := finish(t, process(t, append([]string{"embed", "one", "two words"}, flags...)...))
	if code != 0 || stderr != "" || strings.Count(out, "\n") != 2 {
		t.Fatalf("exit code %d, %q, %q", code, out, stderr)
	}
	var vector []float32
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[1]), &vector); err != nil || len(vector) != 32 {
		t.Errorf("%d dimensions, error %v", len(vector), err)
	}
	cmd := process(t, append([]string{"embed", "-"}, flags...)...)
	cmd.Stdin = strings.NewReader("one\r\ntwo words")
	if code, lines, stderr := finish(t, cmd); code != 0 || lines != out {
		t.Errorf("the same from standard input: exit code %d, %q, %q", code, lines, stderr)
	}
	cmd = process(t, append([]string{"embed", "-"}, flags...)...)
	cmd.Stdin = strings.NewReader("one\n\nthree\n")
	if code, out, stderr := finish(t, cmd); code != 1 || out != "" || !strings.Contains(stderr, "line 2 is empty") {
		t.Errorf("an empty line: exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr := finish(t, process(t, append([]string{"embed", "bad \xff"}, flags...)...)); code != 1 || !strings.Contains(stderr, "UTF-8") {
		t.Errorf("invalid UTF-8: exit code %d, %q", code, stderr)
	}
}

func vectors(t *testing.T, out string) (vectors [][]float32) {
	t.Helper()
	for line := range strings.Lines(out) {
		var vector []float32
		if err := json.Unmarshal([]byte(line), &vector); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		vectors = append(vectors, vector)
	}
	return vectors
}

func TestEmbedTakesTheOptionsOfACall(t *testing.T) {
	directory, golden := testenv.Prompts(t)
	flags := []string{"--model", directory, "--onnxruntime", testenv.ONNXRuntime(t)}
	embed := func(args ...string) (code int, out, stderr string) {
		return finish(t, process(t, append(append([]string{"embed"}, args...), flags...)...))
	}
	text, wants := "", map[string][]float32{}
	for _, g := range golden {
		if text == "" {
			text = g.Text
		}
		if g.Text == text {
			wants[g.PromptName] = g.Vector
		}
	}
	for _, test := range []struct {
		args []string
		want []float32
	}{
		{[]string{text}, wants[""]},
		{[]string{text, "--prompt-name", "query"}, wants["query"]},
		{[]string{text, "--prompt", "passage: "}, wants["passage"]},
		{[]string{"query: " + text, "--prompt", ""}, wants["query"]},
		{[]string{text, "--dimensions", "9", "--prompt-name=query"}, wants["query"][:9]},
	} {
		code, out, stderr := embed(test.args...)
		found := vectors(t, out)
		if code != 0 || stderr != "" || len(found) != 1 || testenv.Cosine(t, found[0], test.want) < 0.99999 {
			t.Errorf("%q: exit code %d, %s %s", test.args, code, out, stderr)
		}
	}
	long := strings.Repeat("word ", 100)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{long, "--truncate", "error"}, "tokens"},
		{[]string{text, "--prompt-name", "nonsense"}, "has no prompt named 'nonsense'"},
		{[]string{text, "--dimensions", "33"}, "33 dimensions"},
		{[]string{text, "--max-tokens", "9999"}, "max_tokens 9999"},
		{[]string{text, "--format", "onnx"}, "model.onnx"},
	} {
		if code, out, stderr := embed(test.args...); code != 1 || out != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%.40q: exit code %d, %q, %q; expected %q", test.args, code, out, stderr, test.want)
		}
	}
}

func TestEmbedReadsAnyNumberOfLines(t *testing.T) {
	var input strings.Builder
	for n := range 1000 {
		input.WriteString(strings.Repeat("! ", n%20) + "!\n")
	}
	cmd := process(t, "embed", "-", "--threads", "1", "--model", testenv.TinyModel(t), "--onnxruntime", testenv.ONNXRuntime(t))
	cmd.Stdin = strings.NewReader(input.String())
	code, out, stderr := finish(t, cmd)
	found := vectors(t, out)
	if code != 0 || len(found) != 1000 {
		t.Fatalf("exit code %d, %d vectors, %q", code, len(found), stderr)
	}
	for n, vector := range found {
		if !slices.Equal(vector, found[n%20]) || n > 0 && n < 20 && slices.Equal(vector, found[0]) {
			t.Fatalf("line %d has the vector of another", n+1)
		}
	}
}

func TestQueriesAndDocumentsHaveTheirPrompts(t *testing.T) {
	directory, _ := testenv.Prompts(t)
	db, items := filepath.Join(t.TempDir(), "test.db"), filepath.Join(t.TempDir(), "items.jsonl")
	// As a query the text has its prompt before it; as a document, in this model, none.
	const line = `{"source_type":"note","source_id":"1","text":"query: the pump"}`
	if err := os.WriteFile(items, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--model", directory, "--onnxruntime", testenv.ONNXRuntime(t), "--db", db}
	if code, _, stderr := finish(t, process(t, append([]string{"ingest", items}, flags...)...)); code != 0 {
		t.Fatal(stderr)
	}
	code, out, stderr := finish(t, process(t, append([]string{"search", "the pump", "--json"}, flags...)...))
	var response server.SearchResponse
	if err := json.Unmarshal([]byte(out), &response); code != 0 || err != nil || len(response.Results) != 1 ||
		response.Results[0].Similarity < 0.99999 {
		t.Errorf("exit code %d, error %v, %s %s", code, err, out, stderr)
	}
}

func TestVerifyWritesAndChecksAManifest(t *testing.T) {
	directory := testenv.CopyModel(t, testenv.TinyModel(t))
	embed := []string{"embed", "x", "--require-manifest", "--model", directory, "--onnxruntime", testenv.ONNXRuntime(t)}
	for _, args := range [][]string{{"verify", directory}, embed} {
		if code, out, stderr := finish(t, process(t, args...)); code != 1 || out != "" || !strings.Contains(stderr, "verify --write") {
			t.Errorf("%q without a manifest: exit code %d, %q, %q", args, code, out, stderr)
		}
	}
	code, out, stderr := finish(t, process(t, "verify", "--write", directory))
	written := regexp.MustCompile(`: (\d+) files are listed in qntx-embed.sha256.json now; fingerprint ([0-9a-f]{64})\n$`).FindStringSubmatch(out)
	if code != 0 || written == nil {
		t.Fatalf("verify --write: exit code %d, %q, %q", code, out, stderr)
	}
	code, out, stderr = finish(t, process(t, "verify", directory))
	want := fmt.Sprintf("%s: %s files are as qntx-embed.sha256.json says; fingerprint %s\n", directory, written[1], written[2])
	if code != 0 || out != want {
		t.Errorf("verify: exit code %d, %q, %q; expected %q", code, out, stderr, want)
	}
	if code, _, stderr := finish(t, process(t, embed...)); code != 0 {
		t.Errorf("embed --require-manifest: exit code %d, %q", code, stderr)
	}
	d := startServer(t, "--require-manifest", "--cache-mb", "1", "--max-resident-mb", "10", "--model", directory, "--db", filepath.Join(t.TempDir(), "test.db"))
	first, again := "", ""
	for _, answer := range []*string{&first, &again} {
		status, body := d.post("/api/embeddings/generate", `{"text": "the cat", "dimensions": 5}`)
		if *answer, _, _ = strings.Cut(body, `"inference_ms"`); status != 200 || !strings.Contains(body, `"dimensions":5`) {
			t.Errorf("%d %s", status, body)
		}
	}
	if first != again {
		t.Errorf("%s, from the cache %s", first, again)
	}
	d.stop(syscall.SIGTERM)

	if err := os.WriteFile(filepath.Join(directory, "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", directory}, embed} {
		if code, out, stderr := finish(t, process(t, args...)); code != 1 || out != "" || !strings.Contains(stderr, "config.json has 1 bytes, not ") {
			t.Errorf("%q with another config.json: exit code %d, %q, %q", args, code, out, stderr)
		}
	}
}

func TestTheServerEmbedsAttestationsOfATable(t *testing.T) {
	attestations := newAttestations(t)
	db := filepath.Join(t.TempDir(), "test.db")
	d := startServer(t, "--model", testenv.TinyModel(t), "--db", db, "--attestations", attestations)
	for range 2 {
		status, answer := d.post("/api/embeddings/batch", `{"attestation_ids": ["as-1", "as-2", "as-9"]}`)
		if status != 200 || !strings.Contains(answer, `"processed":2,"failed":1,"errors":["attestation \"as-9\": not found"]`) {
			t.Errorf("%d %s", status, answer)
		}
	}
	for _, result := range d.search("ALICE, BOB") {
		if result.SourceType != "attestation" {
			t.Errorf("%+v", result)
		}
	}
	if found := d.search("ALICE, BOB"); len(found) == 0 || found[0].Text != "ALICE, BOB" {
		t.Errorf("%+v", found)
	}
	d.stop(syscall.SIGTERM)
}

func TestWhatCannotBeOpenedIsSaidAtStart(t *testing.T) {
	onnxruntime := testenv.ONNXRuntime(t)
	directory := t.TempDir()
	good := filepath.Join(directory, "good.db")
	tiny := testenv.TinyModel(t)

	truncated := testenv.CopyModel(t, tiny)
	if err := os.Truncate(filepath.Join(truncated, "model.safetensors"), 50_000); err != nil {
		t.Fatal(err)
	}
	noTokenizer := testenv.CopyModel(t, tiny)
	if err := os.Remove(filepath.Join(noTokenizer, "tokenizer.json")); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(directory, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	attestations := newAttestations(t)
	missing := filepath.Join(directory, "missing")

	for _, test := range []struct {
		name, model, onnxruntime, db string
		more                         []string
		want                         []string
	}{
		{"no model directory", missing, onnxruntime, good, nil, []string{missing}},
		{"truncated weights", truncated, onnxruntime, good, nil, []string{"model.safetensors", "bytes shorter"}},
		{"no tokenizer", noTokenizer, onnxruntime, good, nil, []string{"tokenizer.json is missing"}},
		{"no ONNX Runtime", tiny, missing + ".so", good, nil, []string{"ONNX Runtime", missing + ".so", "no such file"}},
		{"something else as ONNX Runtime", tiny, text, good, nil, []string{"ONNX Runtime", text}},
		{"an old ONNX Runtime", tiny, oldRuntime(t), good, nil, []string{"ONNX Runtime", "1.16.0", "too old"}},
		{"no database", tiny, onnxruntime, text, nil, []string{text, "not a database"}},
		{"no directory for the database", tiny, onnxruntime, filepath.Join(missing, "x.db"), nil, []string{missing}},
		{"no address", tiny, onnxruntime, good, []string{"--listen", "nonsense"}, []string{"nonsense"}},
		{"an address that is taken", tiny, onnxruntime, good, []string{"--listen", taken.Addr().String()}, []string{"in use"}},
		{"no attestations", tiny, onnxruntime, good, []string{"--attestations", missing}, []string{missing}},
		{"attestations in the database", tiny, onnxruntime, attestations, []string{"--attestations", attestations}, []string{"the same file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--model", test.model, "--onnxruntime", test.onnxruntime,
				"--db", test.db}, test.more...)
			code, _, stderr := finish(t, process(t, args...))
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("expected %q in: %s", want, stderr)
				}
			}
		})
	}
}

// oldRuntime is a library that says it is ONNX Runtime 1.16.0.
func oldRuntime(t *testing.T) string {
	t.Helper()
	source, library := filepath.Join(t.TempDir(), "old.c"), filepath.Join(t.TempDir(), "libonnxruntime.so")
	const code = `
#include <stdint.h>
static const void *get_api(uint32_t version) { (void)version; return 0; }
static const char *get_version(void) { return "1.16.0"; }
struct base { const void *(*GetApi)(uint32_t); const char *(*GetVersionString)(void); };
const struct base *OrtGetApiBase(void) { static const struct base base = {get_api, get_version}; return &base; }
`
	if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, output)
	}
	return library
}

func TestASearchDoesNotMakeADatabase(t *testing.T) {
	db := filepath.Join(t.TempDir(), "missing.db")
	code, out, stderr := finish(t, process(t, "search", "x", "--db", db, "--model", testenv.TinyModel(t), "--onnxruntime", testenv.ONNXRuntime(t)))
	if code != 1 || out != "" || !strings.Contains(stderr, db) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if _, err := os.Stat(db); err == nil {
		t.Error("it was made")
	}
}

func TestALongTextIsStoredInChunksAndMovedToAnotherModel(t *testing.T) {
	const fact = "The combination of the safe is written on the back of the tide table."
	var long strings.Builder
	for i := range 120 {
		fmt.Fprintf(&long, "Note %d about the weather in the mountains says that nothing was seen. ", i)
		if i == 60 {
			long.WriteString(fact + " ")
		}
	}
	items := filepath.Join(t.TempDir(), "items.jsonl")
	line, err := json.Marshal(map[string]string{"source_type": "note", "source_id": "long", "text": long.String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(items, line, 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "test.db")
	flags := []string{"--model", testenv.Model(t), "--onnxruntime", testenv.ONNXRuntime(t), "--db", db}
	ingest := append([]string{"ingest", items, "--chunk-tokens", "64", "--chunk-overlap", "16"}, flags...)
	for _, want := range []string{"1 items: 1 inserted, 0 replaced, 0 unchanged (", "1 items: 0 inserted, 0 replaced, 1 unchanged ("} {
		if code, out, stderr := finish(t, process(t, ingest...)); code != 0 || !strings.HasPrefix(out, want) {
			t.Fatalf("ingest: exit code %d, %q, %s; expected %q", code, out, stderr, want)
		}
	}
	code, out, stderr := finish(t, process(t, append([]string{"search", "where is the combination of the safe written?", "--json"}, flags...)...))
	var response server.SearchResponse
	if err := json.Unmarshal([]byte(out), &response); code != 0 || err != nil || len(response.Results) == 0 ||
		!strings.Contains(response.Results[0].Text, fact) || len(response.Results[0].Text) > 400 {
		t.Errorf("search: exit code %d, error %v, %s %s", code, err, out, stderr)
	}

	small := []string{"--model", filepath.Join(testenv.Repository(t), "tests/fixtures/mpnet"), "--onnxruntime", testenv.ONNXRuntime(t), "--db", db}
	moved := regexp.MustCompile(`test\.db: (\d+) rows embedded by mpnet(?: \(\d+ have more tokens [^)]*\))?, (\d+) rows of other models deleted \(`)
	for _, step := range []struct {
		keep  bool
		again bool
	}{{true, false}, {false, true}} {
		args := append([]string{"reindex"}, small...)
		if step.keep {
			args = append(args, "--keep-old")
		}
		code, out, stderr := finish(t, process(t, args...))
		found := moved.FindStringSubmatch(out)
		if code != 0 || found == nil || (found[1] == "0") != step.again || (found[2] == "0") != step.keep {
			t.Fatalf("reindex: exit code %d, %q, %s", code, out, stderr)
		}
	}
	if code, out, _ := finish(t, process(t, append([]string{"search", "weather", "--json", "--threshold", "-1"}, flags...)...)); code != 0 || !strings.Contains(out, `"total_results": 0`) {
		t.Errorf("rows of the old model are still there: exit code %d, %s", code, out)
	}
	if code, _, stderr := finish(t, process(t, append([]string{"reindex"}, append(small, "--db", db+".not")...)...)); code != 1 || !strings.Contains(stderr, "there is no database") {
		t.Errorf("reindex of nothing: exit code %d, %s", code, stderr)
	}
}

func TestKeysAreReadAgainWithSIGHUP(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.toml")
	newKey := func() (secret string) {
		t.Helper()
		code, entry, note := finish(t, process(t, "key", "tests"))
		_, secret, found := strings.Cut(strings.TrimSpace(note), "nowhere else: ")
		if code != 0 || !found {
			t.Fatal(code, note)
		}
		if err := os.WriteFile(file, []byte(entry), 0o600); err != nil {
			t.Fatal(err)
		}
		return secret
	}
	first := newKey()
	d := startServer(t, "--model", testenv.TinyModel(t), "--db", filepath.Join(t.TempDir(), "test.db"), "--keys", file, "--log-format", "text")
	status := func(secret string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.address+"/api/embeddings/info", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if status(first) != 200 || status("wrong") != 401 {
		t.Errorf("%d with the key, %d without", status(first), status("wrong"))
	}
	second := newKey()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); status(second) != 200; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new key is not let in")
		}
	}
	if status(first) != 401 {
		t.Error("the old key is still let in")
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if status(second) != 200 {
		t.Error("a file that is wrong took the keys away")
	}
	d.stop(syscall.SIGTERM)
	if !strings.Contains(d.log.String(), "keys not read again; those before stay") || strings.Contains(d.log.String(), second) {
		t.Error(d.log)
	}
}

func TestItDoesNotListenEverywhereWithoutKeys(t *testing.T) {
	code, _, stderr := finish(t, process(t, "serve", "--listen", ":0", "--model", testenv.TinyModel(t), "--onnxruntime", testenv.ONNXRuntime(t),
		"--db", filepath.Join(t.TempDir(), "test.db")))
	if code != 1 || !strings.Contains(stderr, "--allow-anonymous") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestAStreamIsStoredByTheRealModelAndOverlivesARestart(t *testing.T) {
	db := filepath.Join(t.TempDir(), "test.db")
	flags := []string{"--model", testenv.Model(t), "--db", db}
	d := startServer(t, flags...)
	corpus, err := os.Open(filepath.Join(testenv.Repository(t), "examples", "corpus.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer corpus.Close()
	response, err := http.Post(d.address+"/api/embeddings/batch", "application/x-ndjson", corpus)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(response.Status, err)
	}
	inserted := strings.Count(string(answer), `"status":"inserted"`)
	if inserted < 50 || !strings.HasSuffix(string(answer), "}\n") || !strings.Contains(string(answer), fmt.Sprintf(`{"done":true,"processed":%d,"failed":0,`, inserted)) {
		t.Errorf("%d inserted: %s", inserted, answer[max(0, len(answer)-300):])
	}
	d.stop(syscall.SIGTERM)
	d = startServer(t, flags...)
	checkPump(t, d.search("how do I stop the pump"))
	d.stop(syscall.SIGTERM)
}
