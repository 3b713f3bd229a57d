// Package jsontext finds text that encoding/json would change without a word: it makes U+FFFD of what is none.
package jsontext

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// UnpairedSurrogate looks for a \u escape of one half of a surrogate pair in valid JSON.
func UnpairedSurrogate(json []byte) bool {
	for i := 0; i < len(json); i++ {
		if json[i] != '\\' {
			continue
		}
		i++ // at the escaped character, so that \\u is not taken for \u
		first, ok := unicodeEscape(json, i)
		if !ok {
			continue
		}
		i += 4
		if utf16.IsSurrogate(first) {
			second, _ := unicodeEscape(json, i+2)
			if utf16.DecodeRune(first, second) == utf8.RuneError {
				return true
			}
			i += 6
		}
	}
	return false
}

// unicodeEscape is the number of a \uXXXX whose u is at i.
func unicodeEscape(json []byte, i int) (rune, bool) {
	if i+5 > len(json) || json[i-1] != '\\' || json[i] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(json[i+1:i+5]), 16, 16)
	return rune(n), err == nil
}
