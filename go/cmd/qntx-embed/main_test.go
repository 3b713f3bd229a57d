package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/embedtest"
	"github.com/teranos/libqntx_embed/go/server"
)

// shell runs the program inside this process.
func shell(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, console{strings.NewReader(""), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	for _, test := range []struct {
		args       string
		positional []string
		db         string
		limit      int
		threshold  float32
		json       bool
	}{
		{"query", []string{"query"}, "qntx-embed.db", server.DefaultLimit, server.DefaultThreshold, false},
		{"--db x query", []string{"query"}, "x", 10, 0.3, false},
		{"query --db x", []string{"query"}, "x", 10, 0.3, false},
		{"query -db=x --json", []string{"query"}, "x", 10, 0.3, true},
		{"--json query --limit 3", []string{"query"}, "qntx-embed.db", 3, 0.3, true},
		{"--json=false query", []string{"query"}, "qntx-embed.db", 10, 0.3, false},
		{"--threshold -0.5 query", []string{"query"}, "qntx-embed.db", 10, -0.5, false},
		{"a - b", []string{"a", "-", "b"}, "qntx-embed.db", 10, 0.3, false},
		{"--limit 3 -- --json -x", []string{"--json", "-x"}, "qntx-embed.db", 3, 0.3, false},
	} {
		t.Setenv("QNTX_EMBED_DB", "")
		f := newFlags(withModel, withStore, withSearch, withJSON("x"))
		positional, err := f.parse(strings.Fields(test.args))
		if err != nil || !slices.Equal(positional, test.positional) || f.db != test.db || f.search.Options.Limit != test.limit ||
			f.search.Options.Threshold != test.threshold || f.json != test.json {
			t.Errorf("%s: %q, %+v, error %v", test.args, positional, f, err)
		}
	}
}

func TestACommandLineThatIsNotUnderstoodIsNamed(t *testing.T) {
	for _, test := range []struct {
		args string
		err  string
	}{
		{"", "a command is missing"},
		{"srve", `unknown command "srve"; did you mean serve?`},
		{"xyzzy", `unknown command "xyzzy"; see`},
		{"help srve", `unknown command "srve"; did you mean serve?`},
		{"serve --lisen x", "serve: unknown flag --lisen; did you mean --listen?"},
		{"serve --xyzzy", "serve: unknown flag --xyzzy; see"},
		{"embed --db x y", "embed: unknown flag --db"},
		{"search q --limit", "search: --limit needs a value"},
		{"search q --limit=", "search: --limit is empty"},
		{"search q --limit 0", `search: --limit is "0"; expected an integer from 1 to 10000`},
		{"search q --threshold NaN", `search: --threshold is "NaN"; expected a cosine`},
		{"search q --json=maybe", `search: --json is "maybe"; expected true or false`},
		{"search", "search: a query is missing"},
		{"search two words", `search: unexpected argument "words"; put a query of several words in quotes`},
		{"ingest", "ingest: a file is missing"},
		{"ingest a b", `ingest: unexpected argument "b"`},
		{"ingest a --chunk-tokens 0", `ingest: --chunk-tokens is "0"; expected an integer of 1 or more`},
		{"ingest a --chunk-overlap -1", `ingest: --chunk-overlap is "-1"; expected an integer of 1 or more`},
		{"reindex x", `reindex: unexpected argument "x"`},
		{"reindex --keep", "reindex: unknown flag --keep"},
		{"embed", "embed: a text is missing"},
		{"embed x --truncate up", `embed: --truncate is "up"; expected "default", "right", "left" or "error"`},
		{"embed x --dimensions 0", `embed: --dimensions is "0"; expected an integer of 1 or more`},
		{"embed x --prompt-name=", "embed: --prompt-name is empty"},
		{"embed x --prompt= --prompt-name query", `embed: both WithPromptName("query") and WithPrompt("")`},
		{"embed x --format torch", `embed: --format is "torch"; expected auto, safetensors or onnx`},
		{"search x --threads many", `search: --threads is "many"; expected an integer of 1 or more`},
		{"search x --max-tokens -1", `search: --max-tokens is "-1"; expected an integer of 1 or more`},
		{"search x --prompt y", "search: unknown flag --prompt"},
		{"serve x", `serve: unexpected argument "x"`},
		{"serve --cache-mb 0", `serve: --cache-mb is "0"; expected an integer of 1 or more`},
		{"serve --cache-mb 99999999", "serve: --cache-mb is 99999999; expected 1 to 1048576"},
		{"serve --max-resident-mb 0", `serve: --max-resident-mb is "0"; expected an integer of 1 or more`},
		{"serve --max-resident-mb 99999999", "serve: --max-resident-mb is 99999999; expected 1 to 1048576"},
		{"search x --require-manifest=maybe", `search: --require-manifest is "maybe"; expected true or false`},
		{"embed x --precision int4", `embed: --precision is "int4"; expected fp32 or int8`},
		{"verify --write", "verify: a model directory is missing"},
		{"verify a --repair", `verify: --repair and --json are for the database; leave "a" out`},
		{"verify a --json", "verify: --repair and --json are for the database"},
		{"search x --mode words", `search: --mode is "words"; expected "vector", "hybrid" or "keywords"`},
		{"search x --like y", "search: --like and a query; expected one of them"},
		{"search --like y --mode hybrid", "search: --like is for mode vector only"},
		{"search x --words-weight 2", "search: --words-weight is for mode hybrid only"},
		{"search x --words_weight 2", "search: unknown flag --words_weight; did you mean --words-weight?"},
		{"search x --group=maybe", `search: --group is "maybe"; expected true or false`},
		{"search x --diversity 2", `search: --diversity is "2"; expected a number from 0 to 1`},
		{"search x --filter [", "search: --filter: the filter is not JSON"},
		{`search x --filter ["like","a","b"]`, `search: --filter: filter[0] is "like"; expected and, or, not`},
		{"search x --after y", `search: --after: "y" is no place between two pages`},
		{"put", "put: a file is missing"},
		{"put a b", `put: unexpected argument "b"`},
		{"list x", `list: unexpected argument "x"`},
		{"list --limit none", `list: --limit is "none"; expected an integer of 1 or more, or all`},
		{"list --vectors", "list: --vectors needs --json"},
		{"list --filter x", "list: --filter: the filter is not JSON"},
		{"get", "get: an id is missing, or --source-type and --source-id"},
		{"get --source-type a", "get: --source-id is missing, which belongs to --source-type"},
		{"get --source-id a", "get: --source-type is missing, which belongs to --source-id"},
		{"get x --source-type a --source-id b", `get: both the id "x" and --source-type; expected one of them`},
		{"get x --fingerprint f", "get: --fingerprint is for the rows of a source"},
		{"count x", `count: unexpected argument "x"`},
		{"delete", "delete: expected ids, or --source-type and --source-id, or --filter: one of the three"},
		{`delete x --filter ["and"]`, "delete: expected ids, or --source-type"},
		{"stats x", `stats: unexpected argument "x"`},
		{"backup", "backup: the new file is missing"},
		{"backup a b", `backup: unexpected argument "b"`},
		{"optimize x", `optimize: unexpected argument "x"`},
		{"verify a b", `verify: unexpected argument "b"`},
		{"version x", `version: unexpected argument "x"`},
	} {
		code, out, stderr := shell(t, strings.Fields(test.args)...)
		if code != 2 || out != "" || !strings.Contains(stderr, "qntx-embed: "+test.err) {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q; expected %q", test.args, code, out, stderr, test.err)
		}
	}
}

func TestHelpTellsOfEveryCommandAndFlag(t *testing.T) {
	code, overview, stderr := shell(t, "help")
	if code != 0 || stderr != "" {
		t.Fatal(code, stderr)
	}
	for _, cmd := range commands() {
		if !strings.Contains(overview, "  "+cmd.name) {
			t.Errorf("help does not name %s", cmd.name)
		}
		code, text, stderr := shell(t, cmd.name, "--help")
		if code != 0 || stderr != "" || !strings.Contains(text, "Usage:\n  qntx-embed "+cmd.name) {
			t.Errorf("%s --help: exit code %d, %q, %q", cmd.name, code, text, stderr)
		}
		if _, same, _ := shell(t, "help", cmd.name); same != text {
			t.Errorf("help %s says something else than %s --help", cmd.name, cmd.name)
		}
		cmd.flags().set.VisitAll(func(known *flag.Flag) {
			if !strings.Contains(text, "  --"+known.Name) || known.Usage == "" {
				t.Errorf("%s --help does not tell of --%s", cmd.name, known.Name)
			}
		})
		for line := range strings.Lines(text) {
			if n := len([]rune(line)); n > 101 {
				t.Errorf("%s --help: a line of %d characters: %s", cmd.name, n, line)
			}
		}
	}
}

func TestTheEnvironmentSetsDefaults(t *testing.T) {
	t.Setenv("QNTX_EMBED_DB", "env.db")
	t.Setenv("QNTX_EMBED_MODEL", "env-model")
	f := newFlags(withModel, withStore)
	if _, err := f.parse(nil); err != nil || f.db != "env.db" || f.model != "env-model" {
		t.Errorf("%+v, error %v", f, err)
	}
	if _, err := f.parse([]string{"--db", "flag.db"}); err != nil || f.db != "flag.db" {
		t.Errorf("%+v, error %v", f, err)
	}
	t.Setenv("QNTX_EMBED_MODEL", "")
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("models/all-MiniLM-L6-v2", 0o755); err != nil {
		t.Fatal(err)
	}
	if got := defaultModel(); got != "models/all-MiniLM-L6-v2" {
		t.Error(got)
	}
}

func line(n int) string {
	return fmt.Sprintf(`{"source_type":"a","source_id":"%d","text":"text number %d"}`+"\n", n, n)
}

func lines(from, to int) string {
	var text strings.Builder
	for n := from; n <= to; n++ {
		text.WriteString(line(n))
	}
	return text.String()
}

func TestIngestStopsAtABadLineBeforeItsBatch(t *testing.T) {
	for _, test := range []struct {
		name, input, err string
		rows             int
	}{
		{"good", lines(1, 3), "", 3},
		{"nothing", "", "", 0},
		{"blank lines", "\n" + line(1) + " \n\r\n" + line(2) + "\n", "", 2},
		{"no newline at the end", strings.TrimSpace(lines(1, 2)), "", 2},
		{"CRLF", strings.ReplaceAll(lines(1, 2), "\n", "\r\n"), "", 2},
		{"whole batches", lines(1, 2*batchSize), "", 2 * batchSize},
		{"in the first batch", lines(1, 2) + `{"source_type":"a"}` + "\n" + line(4),
			"input, line 3: source_id is missing (nothing is stored)", 0},
		{"in the second batch", lines(1, batchSize+2) + "x\n",
			"input, line 259: not valid JSON: invalid character 'x' looking for beginning of value (byte 1) " +
				"(the lines up to 256 are stored, the later ones are not)", batchSize},
		{"too long", line(1) + strings.Repeat("x", server.DefaultBodyBytes) + "\n", "input, line 2: ", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := new(embedtest.Store)
			counts, err := ingest(t.Context(), whole(new(embedtest.Service), store), "input", strings.NewReader(test.input), newProgress(io.Discard, 0, "items"))
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err)) {
				t.Errorf("error %v; expected %q", err, test.err)
			}
			if rows, err := store.Count(t.Context(), embeddings.Selection{}); err != nil || rows != test.rows || counts[embeddings.Inserted] != test.rows {
				t.Errorf("%d rows, counted %v, error %v; expected %d", rows, counts, err, test.rows)
			}
		})
	}
}

func TestIngestSaysWhichLinesAreStoredWhenTheModelFails(t *testing.T) {
	service := &failsAfter{texts: batchSize}
	store := new(embedtest.Store)
	_, err := ingest(t.Context(), whole(service, store), "input", strings.NewReader(lines(1, 2*batchSize)), newProgress(io.Discard, 0, "items"))
	if !errors.Is(err, embeddings.ErrInference) || !strings.Contains(err.Error(), "line 257: ") ||
		!strings.Contains(err.Error(), "the lines up to 256 are stored") {
		t.Error(err)
	}
}

type failsAfter struct {
	embedtest.Service
	texts int64
}

func (s *failsAfter) EmbedBatch(ctx context.Context, texts []string, opts ...embeddings.EmbedOption) (*embeddings.BatchEmbeddingResult, error) {
	if s.Texts.Load() >= s.texts {
		return nil, embeddings.ErrInference
	}
	return s.Service.EmbedBatch(ctx, texts, opts...)
}

func TestProgressOnATerminalAndElsewhere(t *testing.T) {
	var out strings.Builder
	bar := newProgress(&out, 200, "items")
	bar.show(100, 10)
	if out.Len() != 0 {
		t.Errorf("a line after no time: %q", out.String())
	}
	bar.shown = bar.shown.Add(-lineInterval)
	bar.show(100, 10)
	bar.done()
	if got := out.String(); !strings.HasPrefix(got, "50 %, 10 items, ") || strings.Count(got, "\n") != 1 || strings.Contains(got, "\r") {
		t.Errorf("elsewhere: %q", got)
	}

	out.Reset()
	bar.terminal = true
	bar.show(100, 10)
	bar.show(300, 10) // a file that grows while it is read
	bar.done()
	got := out.String()
	if !strings.Contains(got, "["+strings.Repeat("#", 15)+strings.Repeat(".", 15)+"]  50 %, 10 items, ") ||
		!strings.Contains(got, "["+strings.Repeat("#", 30)+"] 100 %") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("terminal: %q", got)
	}
}

func TestTheTableOfResults(t *testing.T) {
	var out strings.Builder
	err := writeTable(&out, []server.SearchResult{
		{SourceType: "manual", SourceID: "1", Text: "two\n lines", Similarity: 0.98766},
		{SourceType: "x", SourceID: "long-id", Text: "short", Similarity: -0.5},
	})
	const want = "SIMILARITY  TYPE    ID       TEXT\n" +
		"0.9877      manual  1        two lines\n" +
		"-0.5000     x       long-id  short\n"
	if err != nil || out.String() != want {
		t.Errorf("error %v\n%s", err, out.String())
	}
	if got := cut("short\nmuch töö long\n", 10); got != "short\nmuch töö …\n" {
		t.Errorf("%q", got)
	}
}

func TestLinksToOneFileAreSeen(t *testing.T) {
	directory := t.TempDir()
	file, link, other := filepath.Join(directory, "a"), filepath.Join(directory, "b"), filepath.Join(directory, "c")
	for _, path := range []string{file, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(directory, "d")
	if !sameFile(file, file) || !sameFile(file, link) || sameFile(file, other) || sameFile(file, missing) || sameFile(missing, missing) {
		t.Error("sameFile is wrong")
	}
}

func TestASignalLetsRunningRequestsFinish(t *testing.T) {
	ctx, signal := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(running)
		<-release
		io.WriteString(w, "done")
	})
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, handler, slog.New(slog.DiscardHandler), &allSettings().serve) }()
	answered := answerOf(listener)
	<-running
	signal()
	select {
	case err := <-served:
		t.Fatalf("ended (%v) while a request was running", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if got := <-answered; got != "done" {
		t.Error(got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// answerOf asks, and gives what was answered, or why nothing was.
func answerOf(listener net.Listener) <-chan string {
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	return answered
}
