package weaviate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Filters of this project compare exactly: texts by their bytes, numbers by value over 64 bits of integers and floats
// at once, and nothing across types. The engine's own numbers are floats, and its texts lose blanks at their ends. So
// each value is written as a text whose byte order is the order of the values of its type, and which begins with a
// letter for the type; "field" tokenisation leaves such a text as it is.

// The first letter of a value's text, in a row of which each is before the next.
const (
	nullTag   = "a"
	boolTag   = "b"
	numberTag = "n"
	textTag   = "t"
)

// afterTag is the least text that is after all of a type.
var afterTag = map[string]string{numberTag: "o", textTag: "u"}

// encode writes a value of metadata or of a filter: nil, bool, int64, float64 or string.
func encode(value any) (tag, text string) {
	switch v := value.(type) {
	case bool:
		return boolTag, fmt.Sprintf("%s%t", boolTag, v)
	case int64:
		return numberTag, encodeNumber(new(big.Float).SetInt64(v))
	case float64:
		return numberTag, encodeNumber(new(big.Float).SetPrec(64).SetFloat64(v))
	case string:
		// NUL is before all other bytes, so that a text stays before what it begins; and it is no blank.
		return textTag, textTag + v + "\x00"
	}
	return nullTag, nullTag
}

// encodeNumber writes sign, exponent and mantissa; of negative ones the complement, so that larger comes first.
func encodeNumber(x *big.Float) string {
	if x.Sign() == 0 {
		return numberTag + "1"
	}
	const bias = 1 << 15 // exponents are from -1073 to 1024
	mantissa := new(big.Float)
	exponent := uint16(x.MantExp(mantissa) + bias)
	digits, _ := mantissa.Abs(mantissa).SetMantExp(mantissa, 64).Uint64() // 64 bits hold every int64 and float64
	if x.Sign() < 0 {
		return fmt.Sprintf("%s0%04x%016x", numberTag, ^exponent, ^digits)
	}
	return fmt.Sprintf("%s2%04x%016x", numberTag, exponent, digits)
}

// metaProperty is the engine's name for a key of the metadata, which may have any characters.
func metaProperty(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "meta_" + hex.EncodeToString(sum[:16])
}

// fieldProperty is the engine's name for a field that every row has.
func fieldProperty(field embeddings.Field) string { return "field_" + string(field) }

// order is a number that grows with the id, as far as its first 12 characters say it: the engine sorts by numbers in no
// time, and by texts by reading every row. It tells all UUIDs apart that differ in their first 44 bits. Characters that
// no UUID has end it, because several of them share a digit.
func order(id string) float64 {
	const characters, digits = 12, 21 // 21^12 is less than 2^53
	n, ended := 0.0, false
	for i := range characters {
		digit := 0
		if i < len(id) && !ended {
			digit, ended = orderDigit(id[i])
		}
		n = n*digits + float64(digit)
	}
	return n
}

// orderDigit is 0 to 20, and whether other characters, or the end, have the same.
func orderDigit(c byte) (digit int, shared bool) {
	switch {
	case c < '-':
		return 0, true
	case c == '-':
		return 1, false
	case c < '0':
		return 2, true
	case c <= '9':
		return 3 + int(c-'0'), false
	case c < 'a':
		return 13, true
	case c <= 'f':
		return 14 + int(c-'a'), false
	}
	return 20, true
}
