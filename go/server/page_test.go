package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

func TestThePageIsThereWithoutAKeyAndRunsNothingButItsOwn(t *testing.T) {
	h := newHost(func(c *server.Config) { c.Keys = server.NewKeys(nil) })
	files, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"/": "text/html; charset=utf-8"}
	types := map[string]string{"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	for _, file := range files {
		_, extension, _ := strings.Cut(file.Name(), ".")
		paths["/page/"+file.Name()] = types[extension]
	}
	for path, contentType := range paths {
		got := h.get(path)
		policy := got.Header().Get("Content-Security-Policy")
		if got.Code != 200 || got.Header().Get("Content-Type") != contentType || got.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, got.Code, got.Header())
		}
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.Header.Set("If-None-Match", got.Header().Get("ETag"))
		again := httptest.NewRecorder()
		h.handler.ServeHTTP(again, request)
		if again.Code != http.StatusNotModified {
			t.Errorf("%s: asked again, %d", path, again.Code)
		}
	}
	isProblem(t, h.get("/page/none.js"), 404, "nothing at /page/none.js")
	isProblem(t, h.get("/page/"), 404, "nothing at /page/")
	isProblem(t, h.post("/", ""), 405, "POST")
	isProblem(t, h.get("/api/embeddings/info"), 401, "key")
}

func TestThePageHasNoInlineScriptOrStyleAndWritesNoMarkup(t *testing.T) {
	files, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	inline := regexp.MustCompile(`(?i)<script[^>]*>\s*[^<\s]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?://`)
	for _, file := range files {
		data, err := os.ReadFile("page/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		if strings.HasSuffix(file.Name(), ".html") {
			if found := inline.FindString(text); found != "" {
				t.Errorf("%s has %q", file.Name(), found)
			}
		}
		if found := markup.FindString(text); found != "" {
			t.Errorf("%s has %q", file.Name(), found)
		}
	}
}

// Whatever a host mounts, the page is one of its files and no more: it is not asked for when an API route is missed.
func TestAPathThatIsNotThereIsNotThePage(t *testing.T) {
	isProblem(t, newHost().get("/index.html"), 404, "nothing at /index.html")
}
