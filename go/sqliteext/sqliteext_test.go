//go:build rustembeddings && cgo

package sqliteext_test

import (
	"database/sql"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sqlite3 "github.com/mattn/go-sqlite3"

	"github.com/teranos/libqntx_embed/go/internal/testenv"
	"github.com/teranos/libqntx_embed/go/sqliteext"
)

func extension(t *testing.T) string {
	return filepath.Join(testenv.Repository(t), "target/release/libqntx_embed_sqlite.so")
}

var drivers int

// open gives a database of a new driver with the extension.
func open(t *testing.T, file string, options ...sqliteext.Option) *sql.DB {
	t.Helper()
	t.Setenv("QNTX_EMBED_ONNXRUNTIME", testenv.ONNXRuntime(t))
	drivers++
	name := fmt.Sprintf("sqlite3_qntx_%d", drivers)
	if err := sqliteext.Register(name, append([]sqliteext.Option{sqliteext.WithExtension(extension(t))}, options...)...); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(name, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// The first design of this project ended at "no such module: vec0" when this migration ran in this driver.
func TestTheMigrationRunsAndTextsAreFoundInTheHostsOwnDriver(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "notes.db"), sqliteext.WithModel(testenv.Model(t)))
	migration, err := os.ReadFile(filepath.Join(testenv.Repository(t), "src/store/migrations/019_create_embeddings_table.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(string(migration)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE VIRTUAL TABLE vec_notes USING vec0(embedding float[384])"); err != nil {
		t.Fatal(err)
	}
	notes := []string{
		"To stop the pump, press the red button and close the valve.",
		"Bread rises faster in a warm kitchen.",
		"The night train to Vienna leaves from platform nine.",
	}
	for i, note := range notes {
		if _, err := db.Exec("INSERT INTO vec_notes (rowid, embedding) VALUES (?, qntx_embed(?))", i, note); err != nil {
			t.Fatal(err)
		}
	}
	var found int
	var distance float64
	err = db.QueryRow("SELECT rowid, distance FROM vec_notes WHERE embedding MATCH qntx_embed(?) AND k = 1",
		"how do I switch off the pump?").Scan(&found, &distance)
	if err != nil {
		t.Fatal(err)
	}
	if found != 0 || distance <= 0 || distance >= 1.2 {
		t.Errorf("found note %d at distance %v; expected the one on the pump", found, distance)
	}
}

func TestVectorsAreThoseOfTheReference(t *testing.T) {
	db := open(t, ":memory:", sqliteext.WithModel(testenv.Model(t)))
	for _, golden := range testenv.Golden(t)[:20] {
		reference, err := base64.StdEncoding.DecodeString(golden.Blob)
		if err != nil {
			t.Fatal(err)
		}
		var similarity float64
		if err := db.QueryRow("SELECT qntx_similarity(qntx_embed(?), ?)", golden.Text, reference).Scan(&similarity); err != nil {
			t.Fatal(err)
		}
		if similarity < 0.99999 {
			t.Errorf("%.60q: cosine %v with the reference", golden.Text, similarity)
		}
	}
}

func TestConnectionsShareAModelAndMayRunAtOnce(t *testing.T) {
	db := open(t, "file:"+filepath.Join(t.TempDir(), "many.db"), sqliteext.WithModel(testenv.TinyModel(t)))
	db.SetMaxIdleConns(0) // so that connections are opened and closed all the time
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for range 20 {
				var length int
				if err := db.QueryRow("SELECT length(qntx_embed('a b c'))").Scan(&length); err != nil || length != 32*4 {
					t.Errorf("length %d, error %v", length, err)
				}
			}
		})
	}
	running.Wait()
}

func TestErrorsAreSQLErrors(t *testing.T) {
	db := open(t, ":memory:")
	db.SetMaxOpenConns(1)
	t.Setenv("QNTX_EMBED_MODEL", "")
	for query, expected := range map[string]string{
		"SELECT qntx_embed('text')":                           "no model is open",
		"SELECT qntx_embed(1)":                                "must be text",
		"SELECT qntx_embed_open('/nowhere')":                  "'/nowhere' cannot be opened",
		"SELECT qntx_embed_open(NULL)":                        "must be text",
		"SELECT qntx_embed()":                                 "wrong number of arguments",
		"SELECT qntx_similarity(x'0000', x'0000')":            "multiple of 4",
		"SELECT qntx_similarity(x'00000000', 'text')":         "FLOAT32_BLOB",
		"SELECT qntx_similarity(x'00000000', x'')":            "dimensions",
		"SELECT qntx_similarity(x'0000c07f', x'0000c07f')":    "finite",
		"CREATE VIRTUAL TABLE v USING vec0(embedding bad[3])": "vec0",
	} {
		var value any
		if err := db.QueryRow(query).Scan(&value); err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%s gave %v, error %v; expected %q", query, value, err, expected)
		}
	}
	if _, err := db.Exec("SELECT qntx_embed_open(?)", testenv.TinyModel(t)); err != nil {
		t.Fatal(err)
	}
	var value any
	err := db.QueryRow("SELECT qntx_embed('text', 'nonsense')").Scan(&value)
	if err == nil || !strings.Contains(err.Error(), "no prompt named 'nonsense'") {
		t.Errorf("an unknown prompt gave %v, error %v", value, err)
	}
	var info string
	if err := db.QueryRow("SELECT qntx_embed_info() ->> 'dimensions'").Scan(&info); err != nil || info != "32" {
		t.Errorf("qntx_embed_info has dimensions %q, error %v", info, err)
	}
	var null any
	if err := db.QueryRow("SELECT qntx_embed(NULL)").Scan(&null); err != nil || null != nil {
		t.Errorf("qntx_embed(NULL) gave %v, error %v", null, err)
	}
}

func TestAMissingExtensionAndATakenNameAreErrors(t *testing.T) {
	if err := sqliteext.Register("sqlite3_missing", sqliteext.WithExtension("/nowhere/ext.so")); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3_missing", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "/nowhere/ext.so") || !strings.Contains(err.Error(), "WithExtension") {
		t.Errorf("a missing extension gave %v", err)
	}
	if err := sqliteext.Register("sqlite3_missing"); err == nil || !strings.Contains(err.Error(), "sqlite3_missing") {
		t.Errorf("a taken name gave %v", err)
	}
}

func TestTheHookComesAfterTheExtension(t *testing.T) {
	called := false
	hook := func(conn *sqlite3.SQLiteConn) error {
		called = true
		_, err := conn.Exec("SELECT vec_version()", nil)
		return err
	}
	db := open(t, ":memory:", sqliteext.WithConnectHook(hook))
	if err := db.Ping(); err != nil || !called {
		t.Errorf("called %v, error %v", called, err)
	}
}
