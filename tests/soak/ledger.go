package main

// What was acknowledged. Each client writes sources of its own, one request at a time, so for each of them it is known what
// the server has said last, and what was asked for since without an answer.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// source is one that a client writes.
type source struct {
	id string
	// acknowledged is the text that the server has, "" for none.
	acknowledged string
	// possible are those that it may have instead, because there was no answer.
	possible []string
}

// try notes what is asked for, before it is.
func (s *source) try(text string) { s.possible = append(s.possible, text) }

// done notes that it was answered.
func (s *source) done(text string) { s.acknowledged, s.possible = text, nil }

// refused notes that it was not done, by a server that has said so.
func (s *source) refused() { s.possible = s.possible[:len(s.possible)-1] }

// check compares with what the server has.
func (s *source) check(client *http.Client, address string) error {
	response, err := client.Get(address + "/api/embeddings/sources/soak/" + s.id)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct{ Rows []struct{ Text string } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	found := ""
	switch {
	case response.StatusCode == http.StatusOK && len(answer.Rows) == 1:
		found = answer.Rows[0].Text
	case response.StatusCode != http.StatusNotFound:
		return fmt.Errorf("source %s: %s, %d rows", s.id, response.Status, len(answer.Rows))
	}
	if found != s.acknowledged && !slices.Contains(s.possible, found) {
		return fmt.Errorf("source %s is %q; acknowledged was %q, and unanswered %q", s.id, found, s.acknowledged, s.possible)
	}
	s.done(found)
	return nil
}
