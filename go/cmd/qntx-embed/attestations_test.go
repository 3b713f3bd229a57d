package main

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// newAttestations makes a database as a host has it.
func newAttestations(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "host 100%?.db")
	database, err := sql.Open("sqlite", strings.ReplaceAll(strings.ReplaceAll("file:"+path, "%", "%25"), "?", "%3f"))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	_, err = database.ExecContext(t.Context(), `
		CREATE TABLE attestations (id TEXT PRIMARY KEY, subjects JSON, predicates JSON, contexts JSON, actors JSON, attributes JSON);
		INSERT INTO attestations VALUES
			('as-1', '["pump-7"]', '["stopped"]', '["in hall 3"]', '["kim"]', '{"reason": "bearing noise", "hours": 7}'),
			('as-2', '["ALICE", "BOB"]', '["_"]', '[]', '[]', NULL),
			('as-3', NULL, '', NULL, NULL, ''),
			('bad', 'pump-7', '[]', '[]', '[]', '{}');`)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAttestationsAreReadFromATable(t *testing.T) {
	source, err := openAttestations(t.Context(), newAttestations(t))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for id, want := range map[string]string{
		"as-1": "pump-7 stopped in hall 3\nreason: bearing noise",
		"as-2": "ALICE, BOB",
		"as-3": "",
	} {
		attestation, err := source.Attestation(t.Context(), id)
		if err != nil || attestation.Text() != want {
			t.Errorf("%s: %+v, error %v; expected %q", id, attestation, err, want)
		}
	}
	if _, err := source.Attestation(t.Context(), "as-9"); !errors.Is(err, embeddings.ErrNotFound) {
		t.Errorf("as-9: %v", err)
	}
	if _, err := source.Attestation(t.Context(), "bad"); err == nil || !strings.Contains(err.Error(), "column subjects") {
		t.Errorf("bad: %v", err)
	}
	if _, err := source.database.ExecContext(t.Context(), "DELETE FROM attestations"); err == nil {
		t.Error("the file can be written to")
	}
}

func TestAFileWithoutAttestationsIsRefused(t *testing.T) {
	directory := t.TempDir()
	missing, text, empty := filepath.Join(directory, "missing.db"), filepath.Join(directory, "text.db"), filepath.Join(directory, "empty.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{missing, text, empty, directory} {
		if source, err := openAttestations(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, error %v", path, source, err)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the missing file was made")
	}
}
