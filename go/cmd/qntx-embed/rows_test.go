//go:build rustembeddings && cgo

package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
	"github.com/teranos/libqntx_embed/go/server"
)

// database makes one with 30 rows of two sources, of which the first ten have a metadata key, and gives a shell on it.
func database(t *testing.T) (db string, shell func(args ...string) (code int, out, stderr string)) {
	t.Helper()
	db = filepath.Join(t.TempDir(), "test.db")
	var lines strings.Builder
	for i := range 30 {
		metadata := ""
		if i < 10 {
			metadata = fmt.Sprintf(`, "metadata": {"n": %d, "tag": "<first>"}`, i)
		}
		fmt.Fprintf(&lines, `{"source_type": "%s", "source_id": "%d", "text": "%s"%s}`+"\n",
			[]string{"note", "mail"}[i%2], i, strings.TrimSpace(strings.Repeat("! ", i+1)+"word"+fmt.Sprint(i)), metadata)
	}
	items := filepath.Join(t.TempDir(), "items.jsonl")
	if err := os.WriteFile(items, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	model := []string{"--model", testenv.TinyModel(t), "--onnxruntime", testenv.ONNXRuntime(t)}
	shell = func(args ...string) (int, string, string) {
		t.Helper()
		if args[0] == "search" || args[0] == "ingest" {
			args = append(args, model...)
		}
		return finish(t, process(t, append(args, "--db", db)...))
	}
	if code, _, stderr := shell("ingest", items); code != 0 {
		t.Fatal(stderr)
	}
	return db, shell
}

// rows reads an object a line.
func rows(t *testing.T, out string) (read []server.Row) {
	t.Helper()
	for line := range strings.Lines(out) {
		var one server.Row
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		read = append(read, one)
	}
	return read
}

func TestRowsAreListedInPages(t *testing.T) {
	_, shell := database(t)
	code, out, stderr := shell("list")
	if lines := strings.Split(out, "\n"); code != 0 || stderr != "" || len(lines) != 32 || !strings.HasPrefix(lines[0], "ROW ") ||
		!strings.Contains(lines[1], "note  0   0      ! word0") {
		t.Fatalf("exit code %d, %q\n%s", code, stderr, out)
	}
	var paged []server.Row
	args := []string{"list", "--json", "--limit", "7"}
	for len(paged) < 40 {
		code, out, stderr := shell(args...)
		page := rows(t, out)
		if code != 0 {
			t.Fatal(stderr)
		}
		paged = append(paged, page...)
		_, after, more := strings.Cut(strings.TrimSpace(stderr), "what follows: --after ")
		if !more {
			break
		}
		args = []string{"list", "--json", "--limit", "7", "--after", after}
	}
	_, out, _ = shell("list", "--json", "--limit", "all", "--vectors")
	whole := rows(t, out)
	if len(paged) != 30 || len(whole) != 30 {
		t.Fatalf("%d rows in pages, %d at once", len(paged), len(whole))
	}
	for i := range whole {
		if paged[i].ID != whole[i].ID || whole[i].SourceID != fmt.Sprint(i) || len(whole[i].Vector) != 32 || paged[i].Vector != nil || paged[i].Dimensions != 32 {
			t.Errorf("row %d: %+v, in pages %+v", i, whole[i], paged[i])
		}
	}
	if first := whole[0]; first.Metadata["n"] != int64(0) || first.Metadata["tag"] != "<first>" || first.Model != "tiny-mean" || first.CreatedAt.IsZero() {
		t.Errorf("%+v", first)
	}
	if !strings.Contains(out, `"metadata":{},`) || !strings.Contains(out, "<first>") {
		t.Errorf("%s", out)
	}
	code, out, stderr = shell("list", "--filter", `["and", ["=", "source_type", "mail"], [">", "metadata.n", 5]]`)
	if code != 0 || strings.Count(out, "\n") != 3 || stderr != "" {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	if code, out, stderr := shell("list", "--fingerprint", "nonsense"); code != 0 || out != "" || !strings.Contains(stderr, "no such rows") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := shell("list", "--filter", `["=", "colour", "red"]`); code != 1 || out != "" || !strings.Contains(stderr, `filter[1] is "colour"`) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}

func TestRowsAreGotCountedAndDeleted(t *testing.T) {
	_, shell := database(t)
	code, out, stderr := shell("get", "--source-type", "note", "--source-id", "4", "--json", "--vectors")
	got := rows(t, out)
	if code != 0 || len(got) != 1 || got[0].Text != "! ! ! ! ! word4" || len(got[0].Vector) != 32 {
		t.Fatalf("exit code %d, %q\n%s", code, stderr, out)
	}
	code, out, _ = shell("get", got[0].ID, got[0].ID)
	for _, want := range []string{"row       " + got[0].ID + "\n", "source    note 4\n", `metadata  {"n":4,"tag":"<first>"}`, "32 dimensions, fingerprint " + got[0].Fingerprint,
		"\n! ! ! ! ! word4\n\nrow  "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, expected %q in\n%s", code, want, out)
		}
	}
	for _, args := range [][]string{{"get", "nobody"}, {"get", "--source-type", "note", "--source-id", "99"},
		{"get", "--source-type", "note", "--source-id", "4", "--fingerprint", "another"}} {
		if code, out, stderr := shell(args...); code != 1 || out != "" || !strings.Contains(stderr, "there is no row") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, stderr)
		}
	}

	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"count"}, "30\n"},
		{[]string{"count", "--filter", `["exists", "metadata.n"]`}, "10\n"},
		{[]string{"count", "--fingerprint", got[0].Fingerprint, "--json"}, "{\n  \"rows\": 30\n}\n"},
		{[]string{"delete", got[0].ID, "nobody"}, "1 row deleted\n"},
		{[]string{"delete", "--source-type", "note", "--source-id", "6"}, "1 row deleted\n"},
		{[]string{"delete", "--source-type", "note", "--source-id", "6"}, "0 rows deleted\n"},
		{[]string{"delete", "--filter", `["exists", "metadata.n"]`, "--json"}, "{\n  \"deleted\": 8\n}\n"},
		{[]string{"count"}, "20\n"},
		{[]string{"delete", "--filter", `["and"]`}, "20 rows deleted\n"},
		{[]string{"count"}, "0\n"},
	} {
		if code, out, stderr := shell(test.args...); code != 0 || out != test.want {
			t.Errorf("%q: exit code %d, %q, %q; expected %q", test.args, code, out, stderr, test.want)
		}
	}
}

func TestWhatListPrintsPutTakes(t *testing.T) {
	_, shell := database(t)
	_, listed, _ := shell("list", "--json", "--limit", "all", "--vectors")
	db := filepath.Join(t.TempDir(), "copy.db")
	put := func(input string) (code int, out, stderr string) {
		cmd := process(t, "put", "-", "--db", db)
		cmd.Stdin = strings.NewReader(input)
		return finish(t, cmd)
	}
	for _, want := range []string{"30 rows: 30 inserted, 0 replaced, 0 unchanged (", "30 rows: 0 inserted, 0 replaced, 30 unchanged ("} {
		if code, out, stderr := put(listed); code != 0 || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "copy.db has 30 rows\n") {
			t.Fatalf("exit code %d, %q, %q; expected %q", code, out, stderr, want)
		}
	}
	_, again, _ := finish(t, process(t, "list", "--json", "--limit", "all", "--vectors", "--db", db))
	times := regexp.MustCompile(`"(created|updated)_at":"[^"]+"`)
	if times.ReplaceAllString(again, "") != times.ReplaceAllString(listed, "") {
		t.Errorf("put\n%s\nlisted\n%s", listed, again)
	}
	first, _, _ := strings.Cut(listed, "\n")
	for _, test := range []struct{ from, to, want string }{
		{`"vector":[`, `"vektor":[`, `unknown field "vektor"`},
		{`"vector":[`, `"vector":[1e99,`, "vector[0] is 1e99, which is out of range"},
		{`"vector":[`, `"vector":[0,`, "dimensions is 32, but the vector has 33 components"},
		{`"vector":[`, `"vector":[null,`, "vector[0] is null; expected a number"},
		{`"chunk":0`, `"chunk":-1`, "chunk is -1; expected an integer of 0 or more"},
		{`"chunk":0`, `"chunk":4294967296`, "chunk 4294967296"},
		{`"source_id":"0"`, `"source_id":"another"`, "is that of another row"},
		{`"fingerprint":`, `"model_":`, `unknown field "model_"`},
	} {
		if !strings.Contains(first, test.from) {
			t.Fatalf("%s is not in %s", test.from, first)
		}
		code, out, stderr := put(strings.Replace(first, test.from, test.to, 1))
		if code != 1 || out != "" || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "standard input, line 1: ") {
			t.Errorf("exit code %d, %q, %q; expected %q", code, out, stderr, test.want)
		}
	}
}

func TestSearchTakesTheOptionsOfTheStore(t *testing.T) {
	_, shell := database(t)
	find := func(args ...string) server.SearchResponse {
		t.Helper()
		code, out, stderr := shell(append([]string{"search", "--json", "--threshold", "-1"}, args...)...)
		var response server.SearchResponse
		if err := json.Unmarshal([]byte(out), &response); code != 0 || err != nil {
			t.Fatalf("%q: exit code %d, error %v, %s", args, code, err, stderr)
		}
		return response
	}
	if found := find("word", "--filter", `["in", "metadata.n", [2, 3]]`); len(found.Results) != 2 {
		t.Errorf("%+v", found)
	}
	hybrid := find("word7", "--mode", "hybrid", "--words-weight", "9", "--explain", "--group")
	if len(hybrid.Results) != 10 || hybrid.Results[0].SourceID != "7" || hybrid.Results[0].WordsRank != 1 || hybrid.Explain == nil || hybrid.Explain.Matched != 1 {
		t.Errorf("%+v, %+v", hybrid.Results, hybrid.Explain)
	}
	page := find("word", "--limit", "29", "--details")
	rest := find("word", "--after", page.Next)
	if len(rest.Results) != 1 || rest.Next != "" {
		t.Errorf("%+v", rest)
	}
	like := find("--like", page.Results[0].ID, "--limit", "100")
	if len(like.Results) != 29 {
		t.Errorf("%d like a row; expected 29", len(like.Results))
	}

	code, out, stderr := shell("search", "word3 word4", "--mode", "keywords", "--explain")
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "SCORE ") || !strings.Contains(lines[1], "  -       1      0.0000") ||
		!strings.Contains(stderr, "index none: 0 vectors compared in 0 rounds; 2 rows have the words") {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	code, out, stderr = shell("search", "unheard", "--mode", "keywords")
	if code != 0 || out != "" || !strings.Contains(stderr, "has one of these words") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	code, out, stderr = shell("search", "word", "--details", "--limit", "2", "--threshold", "-1")
	if code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(out, page.Results[0].ID) || !strings.HasPrefix(stderr, "what follows: --after ") {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	if code, out, stderr := shell("search", "--like", "nobody"); code != 1 || out != "" || !strings.Contains(stderr, "no row with the id 'nobody'") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}

func TestADatabaseIsLookedAfter(t *testing.T) {
	db, shell := database(t)
	code, out, stderr := shell("stats")
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], db+": 30 rows in ") ||
		!strings.HasPrefix(lines[1], "  30 rows of 32 dimensions by tiny-mean, fingerprint ") {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	var stats struct {
		Rows   int
		Models []struct{ Rows int }
	}
	if code, out, stderr := shell("stats", "--json"); code != 0 || json.Unmarshal([]byte(out), &stats) != nil || stats.Rows != 30 || stats.Models[0].Rows != 30 {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	backup := filepath.Join(t.TempDir(), "copy.db")
	if code, out, stderr := shell("backup", backup); code != 0 || !strings.HasPrefix(out, backup+": a copy of "+db+", ") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := shell("backup", backup); code != 1 || out != "" || !strings.Contains(stderr, "there already") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := finish(t, process(t, "verify", "--db", backup)); code != 0 || out != backup+": 30 rows are read, and all is whole\n" {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := shell("optimize"); code != 0 || !strings.HasPrefix(out, db+": ") || !strings.HasSuffix(out, " before\n") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}

	damaged, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := damaged.ExecContext(t.Context(), "DELETE FROM vec_embeddings_rowids WHERE rowid = 1"); err != nil {
		t.Fatal(err)
	}
	damaged.Close()
	if code, out, stderr := shell("verify"); code != 1 || !strings.Contains(out, "the index vec_embeddings") || !strings.Contains(stderr, "--repair") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	var report struct{ Problems, Repaired []string }
	if code, out, _ := shell("verify", "--json"); code != 1 || json.Unmarshal([]byte(out), &report) != nil || len(report.Problems) == 0 {
		t.Errorf("exit code %d, %q", code, out)
	}
	code, out, stderr = shell("verify", "--repair")
	if code != 0 || !strings.Contains(out, "the index vec_embeddings") || !strings.Contains(out, "repaired: ") || !strings.HasSuffix(out, "all is whole\n") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := shell("verify", "--repair", "--json"); code != 0 || !strings.Contains(out, `"problems": []`) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
}

func TestNoCommandMakesADatabaseThatItOnlyReads(t *testing.T) {
	db := filepath.Join(t.TempDir(), "missing.db")
	for _, args := range [][]string{{"list"}, {"get", "x"}, {"count"}, {"delete", "x"}, {"stats"}, {"verify"}, {"optimize"}, {"search", "--like", "x"},
		{"backup", filepath.Join(t.TempDir(), "copy.db")}} {
		code, out, stderr := finish(t, process(t, append(args, "--db", db)...))
		if code != 1 || out != "" || !strings.Contains(stderr, "there is no database '"+db+"'") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, stderr)
		}
		if _, err := os.Stat(db); err == nil {
			t.Fatalf("%q has made it", args)
		}
	}
}
