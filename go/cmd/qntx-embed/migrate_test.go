//go:build rustembeddings && cgo

package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// newOldDatabase makes a database as the original system has it: two rows of one source, one without an id.
func newOldDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	database, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	// Closed before anything else opens the file: two copies of SQLite must not have it open.
	defer database.Close()
	_, err = database.ExecContext(t.Context(), `
		CREATE TABLE embeddings (id TEXT PRIMARY KEY, source_type TEXT NOT NULL, source_id TEXT NOT NULL, text TEXT NOT NULL,
			embedding FLOAT32_BLOB(384) NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL,
			created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
		INSERT INTO embeddings VALUES
			('e1', 'attestation', 'a', 'old', x'0000803f', 'm', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
			('e2', 'attestation', 'a', 'new', x'0000803f', 'm', 1, '2025-01-01T00:00:00Z', '2025-01-02T00:00:00Z'),
			('', 'attestation', 'b', 'another', x'0000803f', 'm', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z');`)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMigrateSaysFirstWhatItWouldDoAndThenDoesIt(t *testing.T) {
	path := newOldDatabase(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code, out, stderr := finish(t, process(t, "migrate", path))
	after, _ := os.ReadFile(path)
	if code != 0 || stderr != "" || !slices.Equal(before, after) {
		t.Fatalf("exit code %d, %s, the file is the same: %v", code, stderr, slices.Equal(before, after))
	}
	for _, part := range []string{
		`row "e1" of attestation "a": left out: a newer row of its source, 'e2', is kept, with another text`,
		`row "" of attestation "b": its id was empty; it gets a new one`,
		"3 rows, 2 kept (1 with a new id, 0 without a vector), 1 duplicates and 0 unusable ones left out",
		"nothing was changed; to do it: qntx-embed migrate --apply " + path,
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in:\n%s", part, out)
		}
	}
	if _, err := embeddings.OpenEmbeddingStore(path); !errors.Is(err, embeddings.ErrStoreVersion) || !strings.Contains(err.Error(), "qntx-embed migrate") {
		t.Errorf("opened as a store: %v", err)
	}

	code, out, stderr = finish(t, process(t, "migrate", "--apply", "--json", path))
	report := new(embeddings.MigrationReport)
	if err := json.Unmarshal([]byte(out), report); code != 0 || err != nil {
		t.Fatalf("exit code %d, %s, %v", code, stderr, err)
	}
	if !report.Applied || report.Backup != path+".backup" || report.Rows != 3 || report.Kept != 2 || len(report.Notes) != 2 {
		t.Errorf("%+v", report)
	}
	backup, err := os.ReadFile(report.Backup)
	if err != nil || len(backup) != len(before) {
		t.Errorf("the backup has %d bytes, the file had %d: %v", len(backup), len(before), err)
	}
	store, err := embeddings.OpenEmbeddingStore(path)
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	database, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	var id, text, model, fingerprint string
	err = database.QueryRowContext(t.Context(), "SELECT id, text, model, fingerprint FROM embeddings WHERE source_id = 'a'").
		Scan(&id, &text, &model, &fingerprint)
	if err != nil || id != "e2" || text != "new" || model != "m" || fingerprint != "unknown" {
		t.Errorf("%s, %s, %s, %s, error %v", id, text, model, fingerprint, err)
	}
	database.Close()
	if code, _, stderr := finish(t, process(t, "migrate", path)); code != 1 || !strings.Contains(stderr, "nothing to migrate") {
		t.Errorf("once more: exit code %d, %s", code, stderr)
	}
}

func TestMigrateMakesTheBackupThatIsWanted(t *testing.T) {
	path := newOldDatabase(t)
	backup := filepath.Join(t.TempDir(), "kept.db")
	if code, out, stderr := finish(t, process(t, "migrate", "--apply", "--backup", backup, path)); code != 0 || !strings.Contains(out, backup) {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	path = newOldDatabase(t)
	if code, _, stderr := finish(t, process(t, "migrate", "--apply", "--backup", backup, path)); code != 1 || !strings.Contains(stderr, "there already") {
		t.Errorf("over one that is there: exit code %d, %s", code, stderr)
	}
	if code, out, stderr := finish(t, process(t, "migrate", "--apply", "--no-backup", path)); code != 0 || !strings.Contains(out, "without a backup") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	if _, err := os.Stat(path + ".backup"); err == nil {
		t.Error("there is a backup")
	}
}

func TestMigrateRefusesWhatIsNotUnderstood(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		part string
	}{
		{[]string{"migrate"}, 2, "the old database is missing"},
		{[]string{"migrate", "a", "b"}, 2, `unexpected argument "b"`},
		{[]string{"migrate", "--apply", "--no-backup", "--backup", "x", "a"}, 2, "contradict each other"},
		{[]string{"migrate", filepath.Join(t.TempDir(), "none.db")}, 1, "is not there"},
	} {
		if code, _, stderr := finish(t, process(t, test.args...)); code != test.code || !strings.Contains(stderr, test.part) {
			t.Errorf("%q: exit code %d, %s", test.args, code, stderr)
		}
	}
}
