//go:build cgo

// Package sqliteext puts vec0 and embeddings into the SQLite of mattn/go-sqlite3: its connections can run
//
//	SELECT qntx_embed('a text')
//
// and have virtual tables of sqlite-vec, whose rows are found by MATCH. It is for programs that keep everything in one
// database of their own; package embeddings has a store of its own, with a SQLite of its own. Never open one file with
// both in one process (docs/sqlite.md says why).
//
//	err := sqliteext.Register("sqlite3_qntx", sqliteext.WithModel("models/all-MiniLM-L6-v2"))
//	...
//	db, err := sql.Open("sqlite3_qntx", "notes.db")
//
// The package needs cgo, as mattn/go-sqlite3 does, and the library libqntx_embed_sqlite, which `make lib` builds and
// `make install` installs.
package sqliteext

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"slices"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// Entry is the extension's entry point.
const Entry = "sqlite3_qntxembed_init"

// EnvironmentVariable names the extension's file where WithExtension does not.
const EnvironmentVariable = "QNTX_EMBED_SQLITE"

// Option says how connections get the extension.
type Option func(*config)

type config struct {
	extension, model string
	hook             func(*sqlite3.SQLiteConn) error
}

// WithExtension names the extension's file. Without it the file is what QNTX_EMBED_SQLITE in the environment names, or
// libqntx_embed_sqlite where the system's loader finds it.
func WithExtension(file string) Option { return func(c *config) { c.extension = file } }

// WithModel opens the model of a directory for each new connection; all connections share it, and it is closed with the
// last of them. Without it a connection opens its model by qntx_embed_open, or takes what QNTX_EMBED_MODEL in the
// environment names.
func WithModel(directory string) Option { return func(c *config) { c.model = directory } }

// WithConnectHook calls hook for each new connection, after it has got the extension.
func WithConnectHook(hook func(*sqlite3.SQLiteConn) error) Option {
	return func(c *config) { c.hook = hook }
}

// Register registers a driver of this name with database/sql: mattn/go-sqlite3, each of whose connections has the
// extension. It fails where the name is taken. Whether the extension can be loaded shows when a connection is opened.
func Register(name string, options ...Option) error {
	if slices.Contains(sql.Drivers(), name) {
		return fmt.Errorf("sqliteext: database/sql has a driver %q already; choose another name", name)
	}
	c := config{extension: "libqntx_embed_sqlite"}
	if file := os.Getenv(EnvironmentVariable); file != "" {
		c.extension = file
	}
	for _, option := range options {
		option(&c)
	}
	sql.Register(name, &sqlite3.SQLiteDriver{ConnectHook: c.connect})
	return nil
}

func (c *config) connect(conn *sqlite3.SQLiteConn) error {
	if err := conn.LoadExtension(c.extension, Entry); err != nil {
		return fmt.Errorf("sqliteext: extension %q cannot be loaded: %w; run 'make lib' or 'make install', or name the "+
			"file with WithExtension or %s", c.extension, err, EnvironmentVariable)
	}
	if c.model != "" {
		if _, err := conn.Exec("SELECT qntx_embed_open(?)", []driver.Value{c.model}); err != nil {
			return fmt.Errorf("sqliteext: model %q cannot be opened: %w", c.model, err)
		}
	}
	if c.hook != nil {
		return c.hook(conn)
	}
	return nil
}
