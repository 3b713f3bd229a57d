package server

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// AttestationSourceType is the source_type of embedded attestations.
const AttestationSourceType = "attestation"

// AttestationSource is where a server looks up the attestation_ids of a batch; the host has one.
type AttestationSource interface {
	// Attestation gives the attestation of an id. Where there is none, the error matches [embeddings.ErrNotFound]. Any
	// number of goroutines may call it at once.
	Attestation(ctx context.Context, id string) (*Attestation, error)
}

// Attestation is a statement: subjects, predicates and contexts, with attributes.
type Attestation struct {
	Subjects   []string
	Predicates []string
	Contexts   []string
	// Attributes is a JSON object; only its strings become text.
	Attributes map[string]any
}

// Text is what is embedded of an attestation: subjects, predicates and contexts as one sentence, each list joined by
// commas, then a line "name: value" for each attribute that is a string, ordered by name. Blank parts, and "_", which
// stands for none, are left out.
//
//	pump-7, pump-8 stopped in hall 3
//	operator: Kim
//	reason: bearing noise
func (a *Attestation) Text() string {
	var sentence, lines []string
	for _, list := range [][]string{a.Subjects, a.Predicates, a.Contexts} {
		said := slices.DeleteFunc(slices.Clone(list), unsaid)
		if len(said) > 0 {
			sentence = append(sentence, strings.Join(said, ", "))
		}
	}
	if len(sentence) > 0 {
		lines = append(lines, strings.Join(sentence, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
		if value, ok := a.Attributes[name].(string); ok && !unsaid(value) {
			lines = append(lines, name+": "+value)
		}
	}
	return strings.Join(lines, "\n")
}

func unsaid(part string) bool {
	part = strings.TrimSpace(part)
	return part == "" || part == "_"
}
