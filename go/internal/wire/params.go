package wire

import (
	"fmt"
	"strconv"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// The parameters of a search, where they are not given.
const (
	DefaultLimit     = 10
	DefaultThreshold = 0.3 // unrelated texts lie around 0 to 0.15
)

// How many results one search gives at most.
const (
	MaxLimit   = 1_000  // over HTTP
	MaxResults = 10_000 // at all
)

// Filter reads a filter in JSON.
func Filter(name, value string) (embeddings.Filter, error) {
	filter, err := embeddings.ParseFilter(value)
	if err != nil {
		return embeddings.Filter{}, fmt.Errorf("%s: %w", name, err)
	}
	return filter, nil
}

// Switch reads a boolean.
func Switch(name, value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, fmt.Errorf("%s is %q; expected true or false", name, value)
	}
	return value == "true", nil
}

// Between reads a number of a range.
func Between(name, value string, least, most float64) (float32, error) {
	x, err := strconv.ParseFloat(value, 32)
	if err != nil || !(x >= least && x <= most) { // so that NaN is refused too
		return 0, fmt.Errorf("%s is %q; expected a number from %v to %v", name, value, least, most)
	}
	return float32(x), nil
}

// CountTo reads a number of things, at least one and at most most.
func CountTo(name, value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s is %q; expected an integer from 1 to %d", name, value, most)
	}
	return n, nil
}

// Count reads a number of things, of which there is at least one.
func Count(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is %q; expected an integer of 1 or more", name, value)
	}
	return n, nil
}

var truncates = map[string]embeddings.Truncate{
	"default": embeddings.TruncateDefault,
	"right":   embeddings.TruncateRight,
	"left":    embeddings.TruncateLeft,
	"error":   embeddings.TruncateError,
}

// Truncate reads which end of a long text is cut off.
func Truncate(name, value string) (embeddings.Truncate, error) {
	truncate, known := truncates[value]
	if !known {
		return 0, fmt.Errorf(`%s is %q; expected "default", "right", "left" or "error"`, name, value)
	}
	return truncate, nil
}

// Threshold reads the least cosine of a result.
func Threshold(name, value string) (float32, error) {
	cosine, err := Between(name, value, -1, 1)
	if err != nil {
		return 0, fmt.Errorf("%s is %q; expected a cosine, a number from -1 to 1", name, value)
	}
	return cosine, nil
}
