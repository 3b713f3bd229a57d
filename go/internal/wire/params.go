package wire

import (
	"fmt"
	"strconv"
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

// Threshold reads the least cosine of a result.
func Threshold(name, value string) (float32, error) {
	cosine, err := strconv.ParseFloat(value, 32)
	if err != nil || !(cosine >= -1 && cosine <= 1) { // so that NaN is refused too
		return 0, fmt.Errorf("%s is %q; expected a cosine, a number from -1 to 1", name, value)
	}
	return float32(cosine), nil
}
