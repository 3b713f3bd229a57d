package server

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

// pageFiles is the page for people: plain files as a browser takes them, nothing is built.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load and call what is this server's, and nothing else run, whatever a text has in it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageTypes are not left to the system's table, which need not be right.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// pagePatterns are where the page lies: it needs no key itself, and asks for one where its calls do.
func (s *server) pagePatterns() []string { return []string{"/{$}", "/page/{file}"} }

// page answers GET / and its files.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	data, err := pageFiles.ReadFile(path.Join("page", name))
	if err != nil {
		s.sendError(w, r, &problem{http.StatusNotFound, "not-found", "there is nothing at " + r.URL.Path})
		return
	}
	sum := sha256.Sum256(data)
	header := w.Header()
	header.Set("Content-Type", pageTypes[path.Ext(name)])
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache") // asked again each time, and answered 304
	header.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
