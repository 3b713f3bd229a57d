package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// ControlCharacters says what becomes of control characters in texts: Unicode's Cc, but not tab, line feed and carriage
// return.
type ControlCharacters int

const (
	// ControlKeep leaves them; the model's tokenizer does what it does with them.
	ControlKeep ControlCharacters = iota
	// ControlRefuse makes a text that has one a 400.
	ControlRefuse
	// ControlRemove takes them out.
	ControlRemove
)

// Clean says what is done to texts before they are embedded, and stored. Text that is not UTF-8 is refused, always.
type Clean struct {
	ControlCharacters ControlCharacters
	// NFC brings texts to Unicode's normalisation form C, so that those that look the same are the same.
	NFC bool
}

// Changes counts what was done to the texts of a request; the header Qntx-Embed-Text-Changes tells it.
type Changes struct {
	// ControlCharacters is how many were removed.
	ControlCharacters int `json:"control_characters"`
	// NFC is how many texts were not in that form.
	NFC int `json:"nfc"`
}

// String is the changes as the header has them; empty where there are none.
func (c Changes) String() string {
	var changes []string
	if c.ControlCharacters > 0 {
		changes = append(changes, fmt.Sprintf("control-characters=%d", c.ControlCharacters))
	}
	if c.NFC > 0 {
		changes = append(changes, fmt.Sprintf("nfc=%d", c.NFC))
	}
	return strings.Join(changes, ", ")
}

// clean checks a text of a request and gives it as it is embedded. path names it in errors.
func (s *server) clean(ctx context.Context, model *embeddings.ModelInfo, path, text string) (string, error) {
	limit := s.limits.textChars(model)
	// More bytes than characters, so most texts need no counting.
	if len(text) > limit && utf8.RuneCountInString(text) > limit {
		return "", &problem{http.StatusRequestEntityTooLarge, "text-too-long",
			fmt.Sprintf("%s has %d characters; expected at most %d", path, utf8.RuneCountInString(text), limit)}
	}
	if !utf8.ValidString(text) {
		return "", invalid(fmt.Errorf("%s is not valid UTF-8", path))
	}
	call := callOf(ctx)
	if s.config.Clean.ControlCharacters != ControlKeep {
		clean := strings.Map(func(r rune) rune {
			if isControl(r) {
				return -1
			}
			return r
		}, text)
		removed := utf8.RuneCountInString(text) - utf8.RuneCountInString(clean)
		switch {
		case removed > 0 && s.config.Clean.ControlCharacters == ControlRefuse:
			at := strings.IndexFunc(text, isControl)
			r, _ := utf8.DecodeRuneInString(text[at:])
			return "", invalid(fmt.Errorf("%s has %d control characters, the first is %U at byte %d; expected none",
				path, removed, r, at))
		case removed > 0 && strings.TrimSpace(clean) == "":
			return "", invalid(fmt.Errorf("%s is empty without its %d control characters; expected some text", path, removed))
		}
		call.changes.ControlCharacters += removed
		text = clean
	}
	if s.config.Clean.NFC && !norm.NFC.IsNormalString(text) {
		text = norm.NFC.String(text)
		call.changes.NFC++
	}
	if s.config.LogTexts {
		call.texts = append(call.texts, text)
	}
	return text, nil
}

func isControl(r rune) bool {
	return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
}
