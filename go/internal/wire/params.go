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

// MaxLimit is how many results one search gives at most.
const MaxLimit = 1000

// Limit reads a number of results.
func Limit(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > MaxLimit {
		return 0, fmt.Errorf("%s is %q; expected an integer from 1 to %d", name, value, MaxLimit)
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
	cosine, err := strconv.ParseFloat(value, 32)
	if err != nil || !(cosine >= -1 && cosine <= 1) { // so that NaN is refused too
		return 0, fmt.Errorf("%s is %q; expected a cosine, a number from -1 to 1", name, value)
	}
	return float32(cosine), nil
}
