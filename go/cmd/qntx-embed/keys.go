package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/BurntSushi/toml"

	"github.com/teranos/libqntx_embed/go/internal/wire"
	"github.com/teranos/libqntx_embed/go/server"
)

// keyPrefix lets people and scanners of repositories know what a string is.
const keyPrefix = "qntx_"

var goodKeyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// readKeys reads a file of keys: for each a table [[key]] with name, sha256, role and, where not all rows may be
// read, scope, a filter in JSON.
func readKeys(path string) ([]server.Key, error) {
	failed := func(err error) error { return fmt.Errorf("keys '%s': %w", path, err) }
	data, err := os.ReadFile(path)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, failed(pathError.Err)
	} else if err != nil {
		return nil, failed(err)
	}
	var file struct {
		Key []struct {
			Name   string `toml:"name"`
			SHA256 string `toml:"sha256"`
			Role   string `toml:"role"`
			Scope  string `toml:"scope"`
		} `toml:"key"`
	}
	meta, err := toml.Decode(string(data), &file)
	if err != nil {
		return nil, failed(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		last := unknown[0][len(unknown[0])-1]
		return nil, failed(fmt.Errorf("unknown key %q%s", unknown[0], nearest("", last, []string{"key", "name", "sha256", "role", "scope"})))
	}
	if len(file.Key) == 0 {
		return nil, failed(errors.New("there is no table [[key]] in it, so that nobody would be let in; qntx-embed key makes one"))
	}
	seen := map[string]bool{}
	keys := make([]server.Key, len(file.Key))
	for i, entry := range file.Key {
		wrong := func(format string, args ...any) ([]server.Key, error) {
			return nil, failed(fmt.Errorf("key %d, %q: %s", i+1, entry.Name, fmt.Sprintf(format, args...)))
		}
		if !goodKeyName.MatchString(entry.Name) {
			return wrong("name is %q; expected 1 to 64 letters, digits, dots, dashes and underscores", entry.Name)
		}
		if seen[entry.Name] {
			return wrong("the name comes twice; expected another for each key, because a caller's rate is that of the name")
		}
		seen[entry.Name] = true
		hash, err := hex.DecodeString(entry.SHA256)
		if err != nil || len(hash) != sha256.Size {
			return wrong("sha256 is %q; expected 64 hexadecimal digits", entry.SHA256)
		}
		role, known := map[string]server.Role{"read": server.RoleRead, "write": server.RoleWrite}[entry.Role]
		if !known {
			return wrong("role is %q; expected \"read\" or \"write\"", entry.Role)
		}
		keys[i] = server.Key{Name: entry.Name, SHA256: [sha256.Size]byte(hash), Role: role}
		if entry.Scope != "" {
			if keys[i].Scope, err = wire.Filter("scope", entry.Scope); err != nil {
				return wrong("%v", err)
			}
		}
	}
	return keys, nil
}

func withKey(f *flags) {
	f.choice(&f.role, "role", "what the key allows, its `ROLE`: read (search, embed, read rows) or write (everything)", "read", "write")
}

// runKey prints a new key and its entry in a file of keys.
func runKey(_ context.Context, f *flags, args []string, c console) error {
	switch {
	case len(args) == 0:
		return usageError("a name is missing")
	case len(args) > 1:
		return unexpected(args[1])
	case !goodKeyName.MatchString(args[0]):
		return usageError(fmt.Sprintf("the name is %q; expected 1 to 64 letters, digits, dots, dashes and underscores", args[0]))
	}
	key := keyPrefix + rand.Text() + rand.Text()
	fmt.Fprintf(c.out, "[[key]]\nname = %q\nsha256 = \"%x\"\nrole = %q\n", args[0], sha256.Sum256([]byte(key)), f.role)
	fmt.Fprintf(c.err, "the key, which is nowhere else: %s\n", key)
	return nil
}
