package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// runConfig checks what `serve` would be given, or prints a file to begin with.
func runConfig(_ context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) == 0:
		return usageError("what to do is missing; expected check or example")
	case len(args) > 1:
		return unexpected(args[1])
	case args[0] == "example":
		fmt.Fprint(c.out, exampleFile())
		return nil
	case args[0] != "check":
		return usageError(fmt.Sprintf("unexpected argument %q; expected check or example", args[0]))
	}
	if err := f.check(); err != nil {
		return err
	}
	fmt.Fprint(c.out, f.inEffect())
	return nil
}

// check looks at what `serve` would only find out later, or never.
func (f *flags) check() error {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if unknown := f.unknownVariable(name); unknown != nil {
			return unknown
		}
	}
	if info, err := os.Stat(f.model); err != nil || !info.IsDir() {
		return fmt.Errorf("--model '%s' is not a directory", f.model)
	}
	if f.serve.attestations != "" && f.cluster.url == "" && sameFile(f.serve.attestations, f.db) {
		return errors.New("--attestations and --db are the same file")
	}
	if f.cluster.url != "" {
		store, err := f.cluster.open(f.cluster.url) // reads the files, and does not connect
		if err != nil {
			return err
		}
		defer store.Close()
	}
	_, err := openFiles(&f.serve)
	return err
}

// Variables of tests, and of `make`, which are no settings.
var otherVariables = []string{"QNTX_EMBED_TEST_", "QNTX_EMBED_WRITE_", "QNTX_EMBED_HEADER"}

func (f *flags) unknownVariable(name string) error {
	if !strings.HasPrefix(name, "QNTX_EMBED_") || slices.ContainsFunc(otherVariables, func(other string) bool {
		return strings.HasPrefix(name, other)
	}) {
		return nil
	}
	known := []string{variable(configName)}
	for _, setting := range f.settings {
		known = append(known, variable(setting))
	}
	if slices.Contains(known, name) {
		return nil
	}
	return fmt.Errorf("unknown variable %s in the environment%s", name, nearest("", name, known))
}

// inEffect lists the settings and where they come from.
func (f *flags) inEffect() string {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, name := range f.settings {
		fmt.Fprintf(columns, "%s\t%s\n", fileKey(name), cmp.Or(f.sources[name], "default"))
	}
	_ = columns.Flush() // to memory
	return text.String()
}

// setting is one, as the documents have it.
type setting struct {
	name, kind, otherwise, usage string
}

func tableOfSettings() (table []setting) {
	f := allSettings()
	for _, name := range f.settings {
		known := f.set.Lookup(name)
		_, usage := flag.UnquoteUsage(known)
		kind := f.kind(name)
		otherwise := known.DefValue
		if kind == "" {
			otherwise = "false"
		}
		table = append(table, setting{name, kind, otherwise, usage})
	}
	return table
}

// exampleFile is examples/qntx-embed.toml.
func exampleFile() string {
	var text strings.Builder
	text.WriteString(`# Settings of qntx-embed, as they are without this file: take away the # of those to change. The environment counts more
# than this file (cache_mb is QNTX_EMBED_CACHE_MB there), and a flag (--cache-mb) more than both.
#
#   qntx-embed config check --config qntx-embed.toml
#   qntx-embed serve --config qntx-embed.toml
`)
	for _, s := range tableOfSettings() {
		text.WriteString("\n")
		for _, line := range wrap(s.usage, 116) {
			text.WriteString("# " + line + "\n")
		}
		value := s.otherwise
		switch {
		case s.kind == "LIST":
			value = "[]"
		case value == "" && s.kind == "N":
			value = "N"
		case s.kind != "N" && s.kind != "":
			value = strconv.Quote(value)
		}
		fmt.Fprintf(&text, "#%s = %s\n", fileKey(s.name), value)
	}
	return text.String()
}

// settingsTable is the table in docs/configuration.md.
func settingsTable() string {
	var text strings.Builder
	text.WriteString("| in the file | flag | in the environment | default | what it does |\n|---|---|---|---|---|\n")
	for _, s := range tableOfSettings() {
		otherwise := ""
		if s.otherwise != "" {
			otherwise = "`" + s.otherwise + "`"
		}
		fmt.Fprintf(&text, "| `%s` | `%s` | `%s` | %s | %s |\n", fileKey(s.name), strings.TrimSpace("--"+s.name+" "+s.kind),
			variable(s.name), otherwise, strings.ReplaceAll(s.usage, "|", `\|`))
	}
	return text.String()
}
