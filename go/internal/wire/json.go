// Package wire reads what comes in from outside, for the server and the shell alike: JSON documents and parameters,
// strictly. Nothing is guessed, defaulted or dropped: a mistake is an error that names the place, what was found and
// what was expected.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/teranos/libqntx_embed/go/internal/jsontext"
)

// ErrTooMany says that a list has more entries than its limit.
var ErrTooMany = errors.New("too many")

// Fields says how each field of an object is read.
type Fields map[string]func(value json.RawMessage) error

// Document checks that data is one JSON document in UTF-8 and nothing more.
func Document(data []byte) (json.RawMessage, error) {
	if at := invalidUTF8(data); at >= 0 {
		return nil, fmt.Errorf("not valid UTF-8: the byte at %d is wrong", at)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("empty; expected a JSON object")
	}
	var document json.RawMessage
	if err := json.Unmarshal(data, &document); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("not valid JSON: %w (byte %d)", err, syntax.Offset)
		}
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	return document, nil
}

// Object reads an object of a document. Unlike encoding/json it takes names only as they are written, and no field
// twice. path names the object in errors; it is empty for the document itself.
func Object(path string, value json.RawMessage, fields Fields) error {
	if kind(value) != "an object" {
		return mismatch(path, value, "an object")
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		read, known := fields[name]
		if !known {
			return fmt.Errorf("%sunknown field %q; expected %s", prefix(path), name, Names(slices.Sorted(maps.Keys(fields))))
		}
		if seen[name] {
			return fmt.Errorf("%sfield %q comes twice", prefix(path), name)
		}
		seen[name] = true
		var field json.RawMessage
		if err := decoder.Decode(&field); err != nil {
			return err
		}
		if err := read(field); err != nil {
			return err
		}
	}
	return nil
}

// List reads an array of 1 to limit values; more are an ErrTooMany. read gets each value and the path that names it.
func List(path string, value json.RawMessage, limit int, read func(path string, value json.RawMessage) error) error {
	if kind(value) != "an array" {
		return mismatch(path, value, "an array")
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	n := 0
	for ; decoder.More(); n++ {
		if n == limit {
			return fmt.Errorf("%w: %s has more than %d entries", ErrTooMany, path, limit)
		}
		var entry json.RawMessage
		if err := decoder.Decode(&entry); err != nil {
			return err
		}
		if err := read(fmt.Sprintf("%s[%d]", path, n), entry); err != nil {
			return err
		}
	}
	if n == 0 {
		return fmt.Errorf("%s is empty; expected 1 to %d entries", path, limit)
	}
	return nil
}

// Text reads a string that has more than white space in it.
func Text(path string, value json.RawMessage) (string, error) {
	text, err := String(path, value)
	if err == nil && strings.TrimSpace(text) == "" {
		err = fmt.Errorf("%s is empty; expected some text", path)
	}
	return text, err
}

// String reads a string, which may be empty.
func String(path string, value json.RawMessage) (string, error) {
	if kind(value) != "a string" {
		return "", mismatch(path, value, "a string")
	}
	// encoding/json would make U+FFFD of it, silently.
	if jsontext.UnpairedSurrogate(value) {
		return "", fmt.Errorf("%s has a \\u escape of half a surrogate pair, which is no text", path)
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", err
	}
	return text, nil
}

// Number reads a number as it is written, for one of the functions that read parameters.
func Number(path string, value json.RawMessage) (string, error) {
	if kind(value) != "a number" {
		return "", mismatch(path, value, "a number")
	}
	return string(value), nil
}

// Boolean reads true or false.
func Boolean(path string, value json.RawMessage) (bool, error) {
	if kind(value) != "a boolean" {
		return false, mismatch(path, value, "a boolean")
	}
	return string(value) == "true", nil
}

// CountOf reads a number of things, of which there is at least one.
func CountOf(path string, value json.RawMessage) (int, error) {
	number, err := Number(path, value)
	if err != nil {
		return 0, err
	}
	return Count(path, number)
}

// Names lists names for an error's "expected".
func Names(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	if n := len(quoted) - 1; n > 0 {
		return strings.Join(quoted[:n], ", ") + " or " + quoted[n]
	}
	return strings.Join(quoted, "")
}

// Missing is the error for a field that must be there.
func Missing(path string) error {
	return fmt.Errorf("%s is missing", path)
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func mismatch(path string, value json.RawMessage, expected string) error {
	if path == "" {
		path = "the document"
	}
	return fmt.Errorf("%s is %s; expected %s", path, kind(value), expected)
}

// kind is what a value is, in words.
func kind(value json.RawMessage) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
