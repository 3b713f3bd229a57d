package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
)

var errHelp = errors.New("help wanted")

// flags are one command's, read. A command has those that it needs.
type flags struct {
	set *flag.FlagSet

	model, onnxruntime, db string
	cluster                clusterSettings
	from, to, after        string // of a copy
	manifest               bool   // is needed

	config   string            // the configuration file
	settings []string          // flags that are settings too
	sources  map[string]string // where settings come from that are not the default

	serve serveSettings

	open  []embeddings.Option      // how the model is opened
	embed []embeddings.EmbedOption // how texts are embedded
	store []embeddings.StoreOption // how the database is opened

	search    *wire.SearchReader   // what is searched for
	selection embeddings.Selection // which rows are meant
	source    [2]string            // of which source: its type and its id
	list      embeddings.ListOptions
	vectors   bool
	json      bool

	chunking *embeddings.Chunking // nil: texts are stored whole

	write, repair, keepOld bool

	migrate embeddings.MigrateOptions

	role string // of a key
}

func newFlags(add ...func(*flags)) *flags {
	f := &flags{set: flag.NewFlagSet("", flag.ContinueOnError)}
	for _, add := range add {
		add(f)
	}
	return f
}

func modelFlags(f *flags) {
	f.set.StringVar(&f.model, "model", defaultModel(),
		"model `DIR` as sentence-transformers publishes it")
	f.set.StringVar(&f.onnxruntime, "onnxruntime", "",
		"ONNX Runtime's library `FILE`, or a directory that has it (default: what lies beside libqntx_embed, or is found by the "+
			"system's loader)")
	f.set.BoolVar(&f.manifest, "require-manifest", false, "refuse a model that is not as its qntx-embed.sha256.json says (qntx-embed "+
		"verify --write makes one)")
	f.set.Func("threads", "`N` threads compute (default: one for each processor)", func(value string) error {
		n, err := wire.Count("--threads", value)
		f.open = append(f.open, embeddings.WithThreads(n))
		return err
	})
	f.set.Func("max-tokens", "use at most `N` tokens of a text, special ones counted (default: what the model says). Longer texts get "+
		"other vectors then: do not mix both in one database", func(value string) error {
		n, err := wire.Count("--max-tokens", value)
		f.open = append(f.open, embeddings.WithMaxTokens(n))
		return err
	})
	f.set.Func("format", "run this `FORMAT` of the model's network: safetensors, onnx, or auto, which is the weights where their "+
		"architecture is known, otherwise the ONNX file (default auto)", func(value string) error {
		format, known := map[string]embeddings.Format{
			"auto": embeddings.FormatAuto, "safetensors": embeddings.FormatSafetensors, "onnx": embeddings.FormatONNX,
		}[value]
		if !known {
			return fmt.Errorf("--format is %q; expected auto, safetensors or onnx", value)
		}
		f.open = append(f.open, embeddings.WithFormat(format))
		return nil
	})
	f.set.Func("precision", "compute in this `PRECISION`: fp32, or int8, which is faster, with slightly other vectors that can be "+
		"compared with those of fp32 (default fp32)", func(value string) error {
		precision, known := map[string]embeddings.Precision{
			"fp32": embeddings.PrecisionFP32, "int8": embeddings.PrecisionInt8,
		}[value]
		if !known {
			return fmt.Errorf("--precision is %q; expected fp32 or int8", value)
		}
		f.open = append(f.open, embeddings.WithPrecision(precision))
		return nil
	})
}

func withEmbedding(f *flags) {
	f.set.Func("prompt", "put `WORDS` before each text; '' is none, not even the model's default", func(value string) error {
		f.embed = append(f.embed, embeddings.WithPrompt(value))
		return nil
	})
	f.set.Func("prompt-name", "put the model's prompt of this `NAME` before each text, such as query or document (default: what the "+
		"model says, mostly none)", func(value string) error {
		f.embed = append(f.embed, embeddings.WithPromptName(value))
		return nil
	})
	f.set.Func("dimensions", "print only the `N` leading components of each vector, at unit length again where the model normalises, "+
		"for models that were trained for it (default: all)", func(value string) error {
		n, err := wire.Count("--dimensions", value)
		f.embed = append(f.embed, embeddings.WithDimensions(n))
		return err
	})
	f.set.Func("truncate", "cut off this `SIDE` of a text that is longer than the model takes, right or left, or fail with error "+
		"(default: what the model says, mostly right)", func(value string) error {
		truncate, err := wire.Truncate("--truncate", value)
		f.embed = append(f.embed, embeddings.WithTruncate(truncate))
		return err
	})
}

func withChunks(f *flags) {
	chunking := func() *embeddings.Chunking {
		if f.chunking == nil {
			f.chunking = new(embeddings.Chunking)
		}
		return f.chunking
	}
	f.set.Func("chunk-tokens", "store each text in chunks of at most `N` tokens, special ones counted, cut where sentences end "+
		"(default: texts are stored whole, and what the model does not take of them is not searched; with --chunk-overlap "+
		"alone, chunks have as many tokens as the model takes)", func(value string) (err error) {
		chunking().MaxTokens, err = wire.Count("--chunk-tokens", value)
		return err
	})
	f.set.Func("chunk-overlap", "let chunks begin up to `N` tokens before the end of the one before (default: none)",
		func(value string) (err error) {
			chunking().Overlap, err = wire.Count("--chunk-overlap", value)
			return err
		})
}

func withReindex(f *flags) {
	f.set.BoolVar(&f.keepOld, "keep-old", false, "leave the other models' rows in the database")
}

func storeFlags(f *flags) {
	f.set.StringVar(&f.db, "db", "qntx-embed.db", "database `FILE`")
	f.set.StringVar(&f.cluster.url, "store", "", "keep rows in a Weaviate cluster in place of the file: its `URL`, such as "+
		"weaviate://db1:8080,db2:8080, or weaviates:// with TLS (docs/scale.md)")
	clusterFlags(f)
}

func withVerify(f *flags) {
	f.set.BoolVar(&f.repair, "repair", false, "build anew what follows from the rows (indexes) where it is not what the rows say; "+
		"for the database only")
	f.set.BoolVar(&f.write, "write", false, "write the manifest from the files that are there now, in place of one that is there")
}

func withMigration(f *flags) {
	f.set.BoolVar(&f.migrate.Apply, "apply", false, "change the file; without, it is only read, and what would be done is printed")
	f.set.StringVar(&f.migrate.Backup, "backup", "", "copy the file as it is to `FILE` first (default: beside it, with .backup added)")
	f.set.BoolVar(&f.migrate.WithoutBackup, "no-backup", false, "make no copy")
	f.set.BoolVar(&f.json, "json", false, "print the report as JSON")
}

func withSearch(f *flags) {
	f.search = wire.NewSearchReader(func(parameter string) string { return "--" + dashed(parameter) }, wire.MaxResults)
	for i := range wire.SearchParameters {
		parameter := &wire.SearchParameters[i]
		read := func(value string) error { return f.search.Read(parameter, value) }
		if parameter.Switch() {
			f.set.BoolFunc(dashed(parameter.Name), parameter.Help, read)
		} else {
			f.set.Func(dashed(parameter.Name), parameter.Help, read)
		}
	}
}

// dashed is a parameter's name as a flag's.
func dashed(parameter string) string { return strings.ReplaceAll(parameter, "_", "-") }

func withJSON(print string) func(*flags) {
	return func(f *flags) { f.set.BoolVar(&f.json, "json", false, "print "+print+", as JSON") }
}

func withFilter(f *flags) {
	f.set.Func("filter", "only rows that pass this `FILTER`, in JSON, such as [\"=\", \"source_type\", \"manual\"]", func(value string) (err error) {
		f.selection.Filter, err = wire.Filter("--filter", value)
		return err
	})
}

func withFingerprint(f *flags) {
	f.set.StringVar(&f.selection.Fingerprint, "fingerprint", "",
		"only rows of the model with this `FINGERPRINT` (qntx-embed stats shows them)")
}

func withSource(f *flags) {
	f.set.StringVar(&f.source[0], "source-type", "", "the rows of a source: its `TYPE`; with --source-id")
	f.set.StringVar(&f.source[1], "source-id", "", "the rows of a source: its `ID`; with --source-type")
}

func withVectors(f *flags) {
	f.set.BoolVar(&f.vectors, "vectors", false, "print the vectors too; with --json")
}

func withList(f *flags) {
	f.list.Limit = 100
	f.set.Func("limit", "at most `N` rows, or all (default 100)", func(value string) (err error) {
		if f.list.Limit = 0; value != "all" {
			if f.list.Limit, err = wire.Count("--limit", value); err != nil {
				err = fmt.Errorf("%w, or all", err)
			}
		}
		return err
	})
	f.set.StringVar(&f.list.After, "after", "",
		"only rows after that with this `ID`, in the order of ids: the last one of the page before")
}

// parse reads flags, also after positional arguments (the flag package stops at the first of those), up to a "--", and
// settings that are not among them from the environment and the configuration file.
func (f *flags) parse(args []string) (positional []string, err error) {
	type given struct{ name, value string }
	var all []given
	config := ""
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			positional, args = append(positional, args...), nil
			continue
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		name, value, there := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if name == "h" || name == "help" {
			return nil, errHelp
		}
		known := f.set.Lookup(name)
		if known == nil {
			return nil, fmt.Errorf("unknown flag --%s%s", name, nearest("--", name, f.names()))
		}
		if !there && isSwitch(known.Value) {
			value, there = "true", true
		}
		if !there {
			if len(args) == 0 {
				return nil, fmt.Errorf("--%s needs a value", name)
			}
			value, args = args[0], args[1:]
		}
		if value == "" && name != "prompt" { // which has a meaning when it is empty
			return nil, fmt.Errorf("--%s is empty; leave it out or give a value", name)
		}
		if name == configName {
			config = value
		}
		all = append(all, given{name, value})
	}
	if err := f.configure(config); err != nil {
		return nil, err
	}
	for _, flag := range all {
		if err := f.setTo(flag.name, flag.value); err != nil {
			return nil, err
		}
		if f.sources != nil {
			f.sources[flag.name] = fromFlag
		}
	}
	return positional, nil
}

func (f *flags) setTo(name, value string) error {
	known := f.set.Lookup(name)
	if err := known.Value.Set(value); err != nil {
		if isSwitch(known.Value) {
			return fmt.Errorf("--%s is %q; expected true or false", name, value)
		}
		return err
	}
	return nil
}

func (f *flags) names() (names []string) {
	f.set.VisitAll(func(known *flag.Flag) { names = append(names, known.Name) })
	return names
}

// help lists the flags.
func (f *flags) help() string {
	var text strings.Builder
	f.set.VisitAll(func(known *flag.Flag) {
		value, usage := described(known)
		fmt.Fprintf(&text, "  --%s\n", strings.TrimSpace(known.Name+" "+value))
		for _, line := range wrap(usage, 90) {
			fmt.Fprintf(&text, "        %s\n", line)
		}
	})
	return text.String()
}

// described is what a flag's value is called, and what the flag does.
func described(known *flag.Flag) (value, usage string) {
	value, usage = flag.UnquoteUsage(known)
	if known.DefValue != "" && known.DefValue != "false" {
		usage += " (default " + known.DefValue + ")"
	}
	return value, usage
}

func wrap(text string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		if n := len(lines) - 1; n >= 0 && len(lines[n])+1+len(word) <= width {
			lines[n] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// nearest is `; did you mean "..."?`, where one of the names is near.
func nearest(prefix, name string, names []string) string {
	best := ""
	for _, candidate := range names {
		limit := 1 + len(candidate)/3
		if d := edits(name, candidate); d <= limit && (best == "" || d < edits(name, best)) {
			best = candidate
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + prefix + best + "?"
}

// edits is the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// defaultModel is where `make setup` puts it: seen from the repository, or from the binary in its bin directory.
func defaultModel() string {
	const name = "models/all-MiniLM-L6-v2"
	candidates := []string{name}
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			candidates = append(candidates, filepath.Join(filepath.Dir(self), "..", name))
		}
	}
	there := slices.IndexFunc(candidates, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	})
	return candidates[max(there, 0)]
}
