package server_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/teranos/libqntx_embed/go/server"
)

func key(name, secret string, role server.Role) server.Key {
	return server.Key{Name: name, SHA256: sha256.Sum256([]byte(secret)), Role: role}
}

func (h *host) with(authorization, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	return recorder
}

func TestKeysLetInThoseWhoMay(t *testing.T) {
	keys := server.NewKeys([]server.Key{key("reader", "r-secret", server.RoleRead), key("writer", "w-secret", server.RoleWrite)})
	h := newHost(func(c *server.Config) { c.Keys = keys })
	const batch = `{"items":[{"source_type":"a","source_id":"b","text":"c"}]}`
	for _, test := range []struct {
		authorization, method, path, body string
		status                            int
	}{
		{"", "GET", "/api/search/semantic?q=a", "", 401},
		{"Bearer", "GET", "/api/search/semantic?q=a", "", 401},
		{"Bearer ", "GET", "/api/search/semantic?q=a", "", 401},
		{"Bearer wrong", "GET", "/api/search/semantic?q=a", "", 401},
		{"Bearer r-secret ", "GET", "/api/search/semantic?q=a", "", 200},
		{"Basic r-secret", "GET", "/api/search/semantic?q=a", "", 401},
		{"bearer r-secret", "GET", "/api/search/semantic?q=a", "", 200},
		{"Bearer r-secret", "POST", "/api/embeddings/generate", `{"text":"a"}`, 200},
		{"Bearer r-secret", "POST", "/api/embeddings/batch", batch, 403},
		{"Bearer w-secret", "POST", "/api/embeddings/batch", batch, 200},
		{"Bearer w-secret", "GET", "/api/search/semantic?q=a", "", 200},
		{"", "GET", "/metrics", "", 401},
		{"Bearer r-secret", "GET", "/metrics", "", 200},
		{"", "GET", "/livez", "", 200},
		{"", "GET", "/readyz", "", 200},
	} {
		answer := h.with(test.authorization, test.method, test.path, test.body)
		if answer.Code != test.status {
			t.Errorf("%q %s %s: %d; expected %d", test.authorization, test.method, test.path, answer.Code, test.status)
		}
		if (answer.Header().Get("WWW-Authenticate") != "") != (test.status == 401) {
			t.Errorf("%q %s: WWW-Authenticate %q", test.authorization, test.path, answer.Header().Get("WWW-Authenticate"))
		}
	}
	isProblem(t, h.get("/api/embeddings/info"), 401, "Authorization: Bearer KEY")
	isProblem(t, h.with("Bearer r-secret", "POST", "/api/embeddings/batch", batch), 403, `the key "reader" may read; this needs one that may write`)
	isOpenAIError(t, h.with("", "POST", "/v1/embeddings", ""), 401, "unauthorized", "a key is needed")
	if log := h.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, "key=reader") {
		t.Error(log)
	}

	keys.Set([]server.Key{key("writer", "other", server.RoleWrite)})
	if answer := h.with("Bearer w-secret", "GET", "/api/embeddings/info", ""); answer.Code != 401 {
		t.Errorf("a key that is gone: %d", answer.Code)
	}
	if answer := h.with("Bearer other", "GET", "/api/embeddings/info", ""); answer.Code != 200 {
		t.Errorf("a key that is new: %d", answer.Code)
	}
	keys.Set(nil)
	if answer := h.with("Bearer other", "GET", "/api/embeddings/info", ""); answer.Code != 401 {
		t.Errorf("without any key: %d", answer.Code)
	}
}

func TestARateIsThatOfAKey(t *testing.T) {
	keys := server.NewKeys([]server.Key{key("a", "a-secret", server.RoleRead), key("b", "b-secret", server.RoleRead)})
	h := newHost(func(c *server.Config) {
		c.Keys, c.Rate = keys, server.Rate{TokensPerMinute: 3}
	})
	for authorization, want := range map[string][]int{"Bearer a-secret": {200, 429}, "Bearer b-secret": {200, 429}} {
		for _, status := range want {
			if answer := h.with(authorization, "GET", "/api/search/semantic?q=a", ""); answer.Code != status {
				t.Errorf("%s: %d; expected %d", authorization, answer.Code, status)
			}
		}
	}
}

func TestOtherOriginsAreLetInOnlyWhereTheyAreNamed(t *testing.T) {
	send := func(h *host, method, origin string) http.Header {
		request := httptest.NewRequest(method, "/api/search/semantic?q=a", nil)
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "GET")
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		recorder.Header().Set("status", http.StatusText(recorder.Code))
		return recorder.Header()
	}
	const allow = "Access-Control-Allow-Origin"
	none := newHost()
	if header := send(none, "OPTIONS", "https://a.example"); header.Get(allow) != "" || header.Get("status") != "Method Not Allowed" {
		t.Error(header)
	}
	one := newHost(func(c *server.Config) { c.Origins = []string{"https://a.example"} })
	if header := send(one, "OPTIONS", "https://a.example"); header.Get(allow) != "https://a.example" || header.Get("status") != "No Content" ||
		!strings.Contains(header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Error(header)
	}
	if header := send(one, "GET", "https://a.example"); header.Get(allow) != "https://a.example" || header.Get("status") != "OK" || header.Get("Vary") != "Origin" {
		t.Error(header)
	}
	if header := send(one, "GET", "https://b.example"); header.Get(allow) != "" || header.Get("status") != "OK" {
		t.Error(header)
	}
	all := newHost(func(c *server.Config) { c.Origins = []string{"*"} })
	if header := send(all, "GET", "https://b.example"); header.Get(allow) != "https://b.example" || header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error(header)
	}
}

func TestTextsAreCleanedAndItIsSaid(t *testing.T) {
	const decomposed = "cafe\u0301"
	refuse := newHost(func(c *server.Config) { c.Clean.ControlCharacters = server.ControlRefuse })
	isProblem(t, refuse.post("/api/embeddings/generate", `{"text":"a\u0000b\u0007"}`), 400,
		"text has 2 control characters, the first is U+0000 at byte 1; expected none")
	if answer := refuse.post("/api/embeddings/generate", `{"text":"a\tb\r\nc"}`); answer.Code != 200 {
		t.Errorf("tabs and line ends: %d %s", answer.Code, answer.Body)
	}

	keep := newHost()
	if answer := keep.post("/api/embeddings/generate", `{"text":"a\u0000b `+decomposed+`"}`); answer.Code != 200 || answer.Header().Get("Qntx-Embed-Text-Changes") != "" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}

	clean := newHost(func(c *server.Config) { c.Clean = server.Clean{ControlCharacters: server.ControlRemove, NFC: true} })
	isProblem(t, clean.post("/api/embeddings/generate", `{"text":"\u0000 \u0007"}`), 400, "text is empty without its 2 control characters")
	answer := clean.post("/api/embeddings/batch", `{"items":[{"source_type":"a","source_id":"1","text":"a\u0000b"},
		{"source_type":"a","source_id":"2","text":"`+decomposed+`\u0085"}]}`)
	if answer.Code != 200 || answer.Header().Get("Qntx-Embed-Text-Changes") != "control-characters=2, nfc=1" {
		t.Errorf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	found := clean.get("/api/search/semantic?q=caf%C3%A9").Body.String()
	if !strings.Contains(found, `"text":"caf\u00e9"`) && !strings.Contains(found, `"text":"café"`) {
		t.Errorf("%s", found)
	}
	if answer := clean.get("/api/search/semantic?q=cafe%CC%81"); answer.Header().Get("Qntx-Embed-Text-Changes") != "nfc=1" {
		t.Errorf("%v", answer.Header())
	}
}
