package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/teranos/libqntx_embed/go/internal/wire"
)

// A setting is a flag that the environment and a configuration file can set too: --cache-mb is QNTX_EMBED_CACHE_MB there,
// and cache_mb in the file. A flag counts more than the environment, and that more than the file. The flags are the one
// table of what there is; what kind of value one takes is said by the word for it in its help: N is a number, LIST a list,
// nothing a switch, and all others are text.

// withModel, withStore and withServer are all settings that there are; withCluster are some of withStore.
var (
	withModel  = asSettings(modelFlags)
	withStore  = asSettings(storeFlags)
	withServer = asSettings(serverFlags)

	withCluster = asSettings(clusterFlags)
)

func allSettings() *flags { return newFlags(withModel, withStore, withServer) }

// source is where a setting's value comes from, for `config check`.
const (
	fromFlag        = "command line"
	fromEnvironment = "environment"
)

func asSettings(add func(*flags)) func(*flags) {
	return func(f *flags) {
		if f.sources == nil {
			f.sources = map[string]string{}
			f.set.StringVar(&f.config, configName, "", "TOML `FILE` with settings for what is not given here; QNTX_EMBED_CONFIG in the "+
				"environment names one too (docs/configuration.md)")
		}
		before := f.names()
		add(f)
		for _, name := range f.names() {
			if !slices.Contains(before, name) {
				f.settings = append(f.settings, name)
			}
		}
	}
}

const configName = "config"

func variable(name string) string { return "QNTX_EMBED_" + strings.ToUpper(fileKey(name)) }
func fileKey(name string) string  { return strings.ReplaceAll(name, "-", "_") }

// configure reads the file, and the environment over it.
func (f *flags) configure(path string) error {
	if f.sources == nil {
		return nil
	}
	if path == "" {
		path = os.Getenv(variable(configName))
	}
	if path != "" {
		f.config = path
		if err := f.readFile(path); err != nil {
			return fmt.Errorf("configuration '%s': %w", path, err)
		}
	}
	for _, name := range f.settings {
		value := os.Getenv(variable(name))
		if value == "" {
			continue
		}
		if err := f.setTo(name, value); err != nil {
			return fmt.Errorf("%s in the environment: %w", variable(name), err)
		}
		f.sources[name] = fromEnvironment
	}
	return nil
}

func (f *flags) readFile(path string) error {
	data, err := os.ReadFile(path)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err // the path is said already
	} else if err != nil {
		return err
	}
	var values map[string]any
	if _, err := toml.Decode(string(data), &values); err != nil {
		return err
	}
	all := allSettings() // a file is for all commands, and each takes what it has
	for _, key := range slices.Sorted(maps.Keys(values)) {
		name := strings.ReplaceAll(key, "_", "-")
		if !slices.Contains(all.settings, name) || fileKey(name) != key {
			var keys []string
			for _, name := range all.settings {
				keys = append(keys, fileKey(name))
			}
			return fmt.Errorf("unknown key %q%s", key, nearest("", key, keys))
		}
		value, err := all.fromTOML(name, values[key])
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		to := all
		if slices.Contains(f.settings, name) {
			to = f
			f.sources[name] = path
		}
		if err := to.setTo(name, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// fromTOML is a value of the file as a flag takes it.
func (f *flags) fromTOML(name string, value any) (string, error) {
	kind := f.kind(name)
	switch value := value.(type) {
	case int64:
		if kind == "N" {
			return strconv.FormatInt(value, 10), nil
		}
	case bool:
		if kind == "" {
			return strconv.FormatBool(value), nil
		}
	case string:
		if kind != "N" && kind != "" && kind != "LIST" {
			return value, nil
		}
	case []any:
		if kind == "LIST" {
			list := make([]string, len(value))
			for i, entry := range value {
				text, ok := entry.(string)
				if !ok || text == "" || strings.Contains(text, ",") {
					return "", fmt.Errorf("entry %d is %v; expected a string that has no comma", i+1, entry)
				}
				list[i] = text
			}
			return strings.Join(list, ","), nil
		}
	}
	expected := map[string]string{"N": "an integer", "": "true or false", "LIST": "an array of strings"}[kind]
	if expected == "" {
		expected = "a string"
	}
	return "", fmt.Errorf("it is %v (%s); expected %s", value, tomlKind(value), expected)
}

func tomlKind(value any) string {
	switch value.(type) {
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any, []map[string]any:
		return "a table"
	}
	return "a date or time"
}

// kind is the word for a flag's value: "N", "LIST", "" for a switch, or what it is of text.
func (f *flags) kind(name string) string {
	known := f.set.Lookup(name)
	if isSwitch(known.Value) {
		return ""
	}
	word, _ := flag.UnquoteUsage(known)
	return word
}

// The values of settings that are not text.

func isSwitch(value flag.Value) bool {
	isBool, ok := value.(interface{ IsBoolFlag() bool })
	return ok && isBool.IsBoolFlag()
}

type countValue struct {
	name string
	n    *int
}

func (v countValue) String() string {
	if v.n == nil || *v.n == 0 {
		return ""
	}
	return strconv.Itoa(*v.n)
}

func (v countValue) Set(value string) (err error) {
	*v.n, err = wire.Count("--"+v.name, value)
	return err
}

func (f *flags) count(n *int, name string, otherwise int, usage string) {
	*n = otherwise
	f.set.Var(countValue{name, n}, name, usage)
}

type durationValue struct {
	name string
	d    *time.Duration
}

func (v durationValue) String() string {
	if v.d == nil {
		return ""
	}
	if *v.d%time.Minute == 0 && *v.d != 0 {
		return fmt.Sprintf("%dm", *v.d/time.Minute) // shorter than 2m0s
	}
	return v.d.String()
}

func (v durationValue) Set(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return fmt.Errorf("--%s is %q; expected a time such as 30s, 1m30s or 500ms", v.name, value)
	}
	*v.d = d
	return nil
}

func (f *flags) duration(d *time.Duration, name string, otherwise time.Duration, usage string) {
	*d = otherwise
	f.set.Var(durationValue{name, d}, name, usage)
}

type listValue struct {
	name string
	list *[]string
}

func (v listValue) String() string {
	if v.list == nil {
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v listValue) Set(value string) error {
	list := strings.Split(value, ",")
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
			return fmt.Errorf("--%s is %q; expected names with a comma between them", v.name, value)
		}
	}
	*v.list = list
	return nil
}

func (f *flags) listOf(list *[]string, name, usage string) {
	f.set.Var(listValue{name, list}, name, usage)
}

// choiceValue is one of some words.
type choiceValue struct {
	name  string
	to    *string
	words []string
}

func (v *choiceValue) String() string {
	if v.to == nil {
		return ""
	}
	return *v.to
}

func (v *choiceValue) Set(value string) error {
	if !slices.Contains(v.words, value) {
		return fmt.Errorf("--%s is %q; expected %s", v.name, value, wire.Names(v.words))
	}
	*v.to = value
	return nil
}

// choice takes one of words, of which the first is the default.
func (f *flags) choice(to *string, name, usage string, words ...string) {
	*to = words[0]
	f.set.Var(&choiceValue{name: name, to: to, words: words}, name, usage)
}
