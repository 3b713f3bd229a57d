package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
	"github.com/teranos/libqntx_embed/go/server"
)

// noVariables takes the variables of the shell that runs the tests away.
func noVariables(t *testing.T) {
	t.Helper()
	for _, name := range allSettings().settings {
		t.Setenv(variable(name), "")
	}
	t.Setenv(variable(configName), "")
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFlagCountsMoreThanTheEnvironmentAndThatMoreThanTheFile(t *testing.T) {
	noVariables(t)
	file := written(t, `
		db = "file.db"
		listen = "127.0.0.1:1"
		threads = 3
		queue = 7
		request_timeout = "1m30s"
		nfc = true
		model_aliases = ["a", "b"]
		control_characters = "remove"
	`)
	t.Setenv("QNTX_EMBED_LISTEN", "127.0.0.1:2")
	t.Setenv("QNTX_EMBED_QUEUE", "8")
	t.Setenv("QNTX_EMBED_CORS_ORIGINS", "https://a.example, https://b.example")
	f := allSettings()
	if _, err := f.parse([]string{"--queue", "9", "--config", file}); err != nil {
		t.Fatal(err)
	}
	s := &f.serve
	if f.db != "file.db" || s.listen != "127.0.0.1:2" || s.limits.Queue != 9 || s.limits.RequestTime != 90*time.Second || !s.nfc ||
		strings.Join(s.aliases, "+") != "a+b" || strings.Join(s.origins, "+") != "https://a.example+https://b.example" {
		t.Errorf("%+v %+v", f.db, s)
	}
	for name, source := range map[string]string{"db": file, "listen": fromEnvironment, "queue": fromFlag, "model": ""} {
		if f.sources[name] != source {
			t.Errorf("%s is from %q; expected %q", name, f.sources[name], source)
		}
	}
	config := s.config()
	if config.Clean != (server.Clean{ControlCharacters: server.ControlRemove, NFC: true}) || config.Limits.Queue != 9 {
		t.Errorf("%+v", config)
	}

	// The variable names a file too, and a command takes what it has of it.
	t.Setenv("QNTX_EMBED_CONFIG", file)
	f = newFlags(withModel, withStore, withSearch)
	if _, err := f.parse(nil); err != nil || f.db != "file.db" || f.config != file {
		t.Errorf("%q, error %v", f.db, err)
	}
}

func TestWhatIsWrongWithTheConfigurationIsNamed(t *testing.T) {
	noVariables(t)
	for text, want := range map[string]string{
		`lisen = "x"`:                     `unknown key "lisen"; did you mean listen?`,
		`cache-mb = 3`:                    `unknown key "cache-mb"; did you mean cache_mb?`,
		`[server]`:                        `unknown key "server"`,
		`threads = "3"`:                   "threads: it is 3 (a string); expected an integer",
		`threads = 0`:                     `threads: --threads is "0"; expected an integer of 1 or more`,
		`threads = 1.5`:                   "threads: it is 1.5 (a float); expected an integer",
		`db = 7`:                          "db: it is 7 (an integer); expected a string",
		`nfc = "yes"`:                     "nfc: it is yes (a string); expected true or false",
		`model_aliases = "a"`:             "model_aliases: it is a (a string); expected an array of strings",
		`model_aliases = ["a,b"]`:         "entry 1 is a,b; expected a string that has no comma",
		`request_timeout = "fast"`:        `request_timeout: --request-timeout is "fast"; expected a time such as 30s`,
		`request_timeout = "-1s"`:         `"-1s"`,
		`control_characters = "eat"`:      `--control-characters is "eat"; expected "keep", "refuse" or "remove"`,
		`log_level = "loud"`:              `--log-level is "loud"`,
		`db = "a`:                         "line 1",
		"db = \"a\"\ndb = \"b\"":          "db",
		`config = "other.toml"`:           `unknown key "config"`,
		`listen = { host = "127.0.0.1" }`: "listen: it is map[host:127.0.0.1] (a table); expected a string",
	} {
		file := written(t, text)
		code, out, stderr := shell(t, "serve", "--config", file)
		if code != 2 || out != "" || !strings.Contains(stderr, "configuration '"+file+"': ") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q; expected %q", text, code, stderr, want)
		}
	}
	if code, _, stderr := shell(t, "serve", "--config", "/nowhere/x.toml"); code != 2 || !strings.Contains(stderr, "configuration '/nowhere/x.toml': no such file") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	t.Setenv("QNTX_EMBED_CACHE_MB", "none")
	if code, _, stderr := shell(t, "serve"); code != 2 || !strings.Contains(stderr, `QNTX_EMBED_CACHE_MB in the environment: --cache-mb is "none"`) {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestConfigCheckSaysWhereSettingsComeFrom(t *testing.T) {
	noVariables(t)
	model := t.TempDir()
	file := written(t, "queue = 7\nthreads = 2\n")
	t.Setenv("QNTX_EMBED_THREADS", "3")
	code, out, stderr := shell(t, "config", "check", "--config", file, "--model", model)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		name, source, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name] = strings.TrimSpace(source)
	}
	if found["queue"] != file || found["threads"] != fromEnvironment || found["model"] != fromFlag || found["listen"] != "default" ||
		len(found) != len(allSettings().settings) {
		t.Errorf("%s", out)
	}

	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"config", 2, "expected check or example"},
		{"config chekc", 2, `unexpected argument "chekc"`},
		{"config check --model /nowhere", 1, "--model '/nowhere' is not a directory"},
		{"config check --tls-cert x --model " + model, 1, "one of --tls-cert and --tls-key"},
		{"config check --tls-cert x --tls-key y --model " + model, 1, "--tls-cert 'x' with --tls-key 'y'"},
		{"config check --keys /nowhere --model " + model, 1, "keys '/nowhere': no such file"},
	} {
		if code, _, stderr := shell(t, strings.Fields(test.args)...); code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %q; expected %q", test.args, code, stderr, test.want)
		}
	}
	t.Setenv("QNTX_EMBED_LISTN", "x")
	if code, _, stderr := shell(t, "config", "check", "--model", model); code != 1 ||
		!strings.Contains(stderr, "unknown variable QNTX_EMBED_LISTN in the environment; did you mean QNTX_EMBED_LISTEN?") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// The documents are made of the table; QNTX_EMBED_WRITE_DOCS=1 writes them.
func TestTheDocumentsHaveTheSettingsThatThereAre(t *testing.T) {
	noVariables(t)
	repository := testenv.Repository(t)
	example := filepath.Join(repository, "examples", "qntx-embed.toml")
	compare(t, example, []byte(exampleFile()))

	document := filepath.Join(repository, "docs", "configuration.md")
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings -->\n", "<!-- end of settings -->\n"
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the settings", document)
	}
	compare(t, document, []byte(before+begin+settingsTable()+end+after))

	var values map[string]any
	if _, err := toml.Decode(exampleFile(), &values); err != nil || len(values) != 0 {
		t.Errorf("%v, error %v", values, err)
	}
	if code, out, stderr := shell(t, "config", "example"); code != 0 || out != exampleFile() || stderr != "" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func compare(t *testing.T, path string, want []byte) {
	t.Helper()
	if os.Getenv("QNTX_EMBED_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the settings are (error %v); QNTX_EMBED_WRITE_DOCS=1 go test ./cmd/qntx-embed writes it", path, err)
	}
}

func TestAKeyIsMadeAndLetIn(t *testing.T) {
	code, entry, note := shell(t, "key", "reports")
	if code != 0 || !strings.Contains(note, "the key, which is nowhere else: "+keyPrefix) {
		t.Fatalf("exit code %d, %q", code, note)
	}
	code, other, _ := shell(t, "key", "--role", "write", "importer")
	if code != 0 {
		t.Fatal(other)
	}
	keys, err := readKeys(written(t, entry+other))
	if err != nil || len(keys) != 2 || keys[0].Name != "reports" || keys[0].Role != server.RoleRead || keys[1].Role != server.RoleWrite {
		t.Fatalf("%+v, error %v", keys, err)
	}
	for _, test := range []struct{ args, want string }{
		{"key", "a name is missing"},
		{"key a b", `unexpected argument "b"`},
		{"key a/b", `the name is "a/b"; expected 1 to 64 letters`},
		{"key a --role owner", `--role is "owner"; expected "read" or "write"`},
	} {
		if code, _, stderr := shell(t, strings.Fields(test.args)...); code != 2 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %q; expected %q", test.args, code, stderr, test.want)
		}
	}
}

func TestABadFileOfKeysIsRefused(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	entry := func(name, hash, role string) string {
		return "[[key]]\nname = \"" + name + "\"\nsha256 = \"" + hash + "\"\nrole = \"" + role + "\"\n"
	}
	for text, want := range map[string]string{
		"":                           "no table [[key]]",
		entry("a b", hash, "read"):   `key 1, "a b": name is "a b"; expected 1 to 64`,
		entry("a", "secret", "read"): `key 1, "a": sha256 is "secret"; expected 64 hexadecimal digits`,
		entry("a", hash[2:], "read"): "expected 64 hexadecimal digits",
		entry("a", hash, "root"):     `role is "root"; expected "read" or "write"`,
		entry("a", hash, "read") + entry("a", hash, "read"): "the name comes twice",
		entry("a", hash, "read") + "rol = 1\n":              `"key.rol"; did you mean role?`,
		entry("a", hash, "read") + "scope = '[1]'\n":        `key 1, "a": scope: `,
		"[[key": "line 1",
	} {
		if keys, err := readKeys(written(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, error %v; expected %q", text, keys, err, want)
		}
	}
}
