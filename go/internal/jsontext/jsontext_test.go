package jsontext

import "testing"

func TestHalvesOfSurrogatePairsAreFound(t *testing.T) {
	for json, want := range map[string]bool{
		`"plain ü"`:                         false,
		`"\ud83d\ude00"`:                    false,
		`["\uD83D\uDE00", {"\ufffd": 1}]`:   false,
		`"\\ud800"`:                         false,
		`"\\\ud800"`:                        true,
		`"\ud800"`:                          true,
		`"\udc00\ud800"`:                    true,
		`"\ud83dA"`:                         true,
		`"\ud83d\n\ude00"`:                  true,
		`{"\udfff": 1}`:                     true,
		`["a", ["\ud83d\ude00", "\ud83d"]]`: true,
	} {
		if got := UnpairedSurrogate([]byte(json)); got != want {
			t.Errorf("%s: %v", json, got)
		}
	}
}
