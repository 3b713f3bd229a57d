//go:build !cgo

// Package sqliteext puts vec0 and embeddings into the SQLite of mattn/go-sqlite3. It needs cgo, as that does; without it
// the package is empty but for this.
package sqliteext

import "errors"

// ErrNoCgo is what Register gives without cgo.
var ErrNoCgo = errors.New("sqliteext: built without cgo, which mattn/go-sqlite3 needs; build with CGO_ENABLED=1")

// Option says how connections get the extension.
type Option func()

// WithExtension names the extension's file.
func WithExtension(string) Option { return func() {} }

// WithModel opens the model of a directory for each new connection.
func WithModel(string) Option { return func() {} }

// Register gives ErrNoCgo.
func Register(string, ...Option) error { return ErrNoCgo }
