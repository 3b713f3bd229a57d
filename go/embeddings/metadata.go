package embeddings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/teranos/libqntx_embed/go/internal/capi"
	"github.com/teranos/libqntx_embed/go/internal/jsontext"
)

// Metadata is what a caller attaches to a row, for filters: a flat object whose keys have 1 to 256 bytes and whose values
// are strings, booleans, numbers and nil. At most 64 KiB as JSON.
//
// Put takes every type of integer (in 64 bits, with the sign) and of float (finite), and [json.Number]. What comes back are
// string, bool, int64, float64 and nil: a number that was put as a float comes back as one.
type Metadata map[string]any

// ParseMetadata reads a flat JSON object, strictly: a key that comes twice is an error too. An object without keys, and
// empty data, give nil. The error is an ErrInvalidArgument.
func ParseMetadata(data []byte) (Metadata, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if err := isText("metadata", data); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	// Token by token: Unmarshal would take the last of two equal keys.
	token, err := decoder.Token()
	if err == nil && token != json.Delim('{') {
		return nil, invalid("metadata is no object; expected a flat JSON object")
	}
	var metadata Metadata
	for err == nil && decoder.More() {
		var key string
		if token, err = decoder.Token(); err != nil {
			break
		}
		key, _ = token.(string)
		if token, err = decoder.Token(); err != nil {
			break
		}
		if _, twice := metadata[key]; twice {
			return nil, invalid("metadata %q comes twice", key)
		}
		if metadata == nil {
			metadata = Metadata{}
		}
		if metadata[key], err = scalar(token); err != nil {
			return nil, at(fmt.Sprintf("metadata %q", key), err)
		}
	}
	if err == nil {
		if _, err = decoder.Token(); err == nil { // the closing brace
			if _, err = decoder.Token(); err == nil {
				err = errors.New("there is more after the object")
			} else if errors.Is(err, io.EOF) {
				err = nil
			}
		}
	}
	if err != nil {
		return nil, invalid("metadata is no JSON: %v", err)
	}
	return metadata, nil
}

// MarshalJSON is the object as the store takes it; what it cannot hold is an error that names the key.
func (m Metadata) MarshalJSON() ([]byte, error) {
	written := make(map[string]json.RawMessage, len(m))
	for key, value := range m {
		if !utf8.ValidString(key) {
			return nil, &Error{Code(capi.InvalidUTF8), fmt.Sprintf("metadata: the key %q is not valid UTF-8", key)}
		}
		text, err := literal(value)
		if err != nil {
			return nil, at(fmt.Sprintf("metadata %q", key), err)
		}
		written[key] = json.RawMessage(text)
	}
	return plainJSON(written)
}

// UnmarshalJSON is [ParseMetadata]; null changes nothing.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	metadata, err := ParseMetadata(data)
	if err == nil {
		*m = metadata
	}
	return err
}

func (m Metadata) native() (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	data, err := m.MarshalJSON()
	return string(data), err
}

// scalar makes a value of metadata or of a filter one of string, bool, int64, float64 and nil.
func scalar(value any) (any, error) {
	integer := func(n int64) (any, error) { return n, nil }
	unsigned := func(n uint64) (any, error) {
		if n > math.MaxInt64 {
			return nil, invalid("the integer %d has more than 64 bits with its sign", n)
		}
		return int64(n), nil
	}
	float := func(x float64) (any, error) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, invalid("the number is %v; expected a finite one", x)
		}
		return x, nil
	}
	switch v := value.(type) {
	case nil, bool:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, &Error{Code(capi.InvalidUTF8), fmt.Sprintf("the text %q is not valid UTF-8", v)}
		}
		return v, nil
	case int:
		return integer(int64(v))
	case int8:
		return integer(int64(v))
	case int16:
		return integer(int64(v))
	case int32:
		return integer(int64(v))
	case int64:
		return integer(v)
	case uint:
		return unsigned(uint64(v))
	case uint8:
		return unsigned(uint64(v))
	case uint16:
		return unsigned(uint64(v))
	case uint32:
		return unsigned(uint64(v))
	case uint64:
		return unsigned(v)
	case float32:
		return float(float64(v))
	case float64:
		return float(v)
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			x, err := strconv.ParseFloat(string(v), 64)
			if err != nil {
				return nil, invalid("the number %s is out of range", v)
			}
			return float(x)
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil {
			return nil, invalid("the integer %s has more than 64 bits with its sign", v)
		}
		return integer(n)
	case json.Delim:
		return nil, invalid("it is an object or array; expected a string, a number, a boolean or null")
	}
	return nil, invalid("it is a %T; expected a string, a number, a bool or nil", value)
}

// literal is a scalar as JSON.
func literal(value any) (string, error) {
	value, err := scalar(value)
	if err != nil {
		return "", err
	}
	if x, isFloat := value.(float64); isFloat {
		text := strconv.FormatFloat(x, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0" // so that it stays a float
		}
		return text, nil
	}
	data, err := plainJSON(value)
	return string(data), err
}

// plainJSON leaves <, > and & as they are: three bytes more for each would count against the store's limits.
func plainJSON(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// isText refuses JSON of which the decoder would change a text.
func isText(what string, data []byte) error {
	if !utf8.Valid(data) {
		return &Error{Code(capi.InvalidUTF8), what + " is not valid UTF-8"}
	}
	if jsontext.UnpairedSurrogate(data) {
		return invalid("%s has a \\u escape of half a surrogate pair, which is no text", what)
	}
	return nil
}

// at says where an error of this package was found.
func at(place string, err error) error {
	if failure, ok := errors.AsType[*Error](err); ok {
		return &Error{failure.Code, place + ": " + failure.Message}
	}
	return fmt.Errorf("%s: %w", place, err)
}
