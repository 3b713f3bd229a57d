package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite"; pure Go, so that it is there without cgo too

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// attestations reads the table attestations (id, subjects, predicates, contexts, attributes) of a SQLite file, of which
// all but id are JSON: three arrays of strings and an object. NULL is nothing.
//
// The driver is a second SQLite in this process. That is safe on a file that the first one does not have open.
type attestations struct {
	database *sql.DB
}

var _ server.AttestationSource = (*attestations)(nil)

const selectAttestation = `SELECT subjects, predicates, contexts, attributes FROM attestations WHERE id = ?`

func openAttestations(ctx context.Context, path string) (*attestations, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// A URL, so that a ? in the path is not taken for one.
	source := url.URL{Scheme: "file", Path: absolute, RawQuery: "mode=ro&_pragma=busy_timeout(5000)"}
	database, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, fmt.Errorf("attestations '%s': %w", path, err)
	}
	// Opens the file, and fails where the table is not as expected.
	statement, err := database.PrepareContext(ctx, selectAttestation)
	if err != nil {
		database.Close()
		return nil, fmt.Errorf("attestations '%s' could not be read: %w; expected a SQLite file with a table "+
			"attestations (id, subjects, predicates, contexts, attributes)", path, err)
	}
	statement.Close()
	return &attestations{database}, nil
}

// Attestation gives the attestation of an id; embeddings.ErrNotFound where there is none.
func (a *attestations) Attestation(ctx context.Context, id string) (*server.Attestation, error) {
	var subjects, predicates, contexts, attributes sql.NullString
	err := a.database.QueryRowContext(ctx, selectAttestation, id).Scan(&subjects, &predicates, &contexts, &attributes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, embeddings.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var found server.Attestation
	for _, column := range []struct {
		name string
		json sql.NullString
		into any
	}{
		{"subjects", subjects, &found.Subjects},
		{"predicates", predicates, &found.Predicates},
		{"contexts", contexts, &found.Contexts},
		{"attributes", attributes, &found.Attributes},
	} {
		if column.json.String == "" {
			continue
		}
		if err := json.Unmarshal([]byte(column.json.String), column.into); err != nil {
			return nil, fmt.Errorf("column %s: %w", column.name, err)
		}
	}
	return &found, nil
}

// Close closes the file.
func (a *attestations) Close() error { return a.database.Close() }
