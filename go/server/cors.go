package server

import (
	"net/http"
	"slices"
)

// crossOrigin lets scripts of other origins call, as browsers want it: those of Config.Origins.
func (s *server) crossOrigin(next http.Handler) http.Handler {
	if len(s.config.Origins) == 0 {
		return next
	}
	all := slices.Contains(s.config.Origins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, header := r.Header.Get("Origin"), w.Header()
		header.Add("Vary", "Origin")
		if origin == "" || !all && !slices.Contains(s.config.Origins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		// Never with Access-Control-Allow-Credentials: a key is in a header that the script sets itself.
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers",
			"X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Qntx-Embed-Text-Changes")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
			header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
