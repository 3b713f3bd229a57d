package main

import (
	"fmt"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/internal/wire"
	"github.com/teranos/libqntx_embed/go/server"
)

// serveSettings are those of the server alone.
type serveSettings struct {
	listen, attestations string
	aliases              []string

	limits                                      server.Limits
	bodyBytes                                   int
	headerTimeout, idleTimeout, shutdownTimeout time.Duration
	keys                                        string
	anonymous                                   bool
	rate                                        server.Rate
	origins                                     []string
	certificate, certificateKey                 string
	controlCharacters                           string
	nfc                                         bool
	logFormat, logLevel                         string
	logTexts, pprof                             bool
}

func serverFlags(f *flags) {
	s := &f.serve
	f.set.StringVar(&s.listen, "listen", "127.0.0.1:8787",
		"`ADDRESS` to listen at; port 0 takes a free one. An address that other machines reach needs --keys, or --allow-anonymous")
	f.set.StringVar(&s.attestations, "attestations", "",
		"SQLite `FILE`, not the database, whose table attestations (id, subjects, predicates, contexts, attributes) resolves "+
			"the attestation_ids of a batch; it is only read")
	f.set.Func("cache-mb", "keep the vectors of texts that come again, in `N` MB at most (default: none)", func(value string) error {
		n, err := wire.Count("--cache-mb", value)
		if err == nil && n > 1<<20 {
			err = fmt.Errorf("--cache-mb is %d; expected 1 to %d", n, 1<<20)
		}
		f.open = append(f.open, embeddings.WithCache(n*1_000_000))
		return err
	})
	f.set.Func("max-resident-mb", "keep vectors for searches in memory, in `N` MB at most; where more is needed, searches take longer "+
		"(default 2147)", func(value string) error {
		n, err := wire.Count("--max-resident-mb", value)
		if err == nil && n > 1<<20 {
			err = fmt.Errorf("--max-resident-mb is %d; expected 1 to %d", n, 1<<20)
		}
		f.store = append(f.store, embeddings.WithMaxResidentBytes(n*1_000_000))
		return err
	})
	f.listOf(&s.aliases, "model-aliases",
		"names that clients of /v1/embeddings may call the model by, beside its own: a `LIST` such as text-embedding-3-small,default")

	f.count(&s.bodyBytes, "max-body-bytes", server.DefaultBodyBytes, "take request bodies, and lines of a stream, of at most `N` bytes")
	f.count(&s.limits.Texts, "max-texts", server.DefaultTexts, "take at most `N` texts, items or ids with one request; a stream has any number")
	f.count(&s.limits.TextChars, "max-text-chars", 0, "take texts of at most `N` characters (default: 250 for each token that the model takes)")
	f.count(&s.limits.InFlight, "in-flight", server.DefaultInFlight, "answer at most `N` requests at once")
	f.count(&s.limits.Queue, "queue", server.DefaultQueue, "let at most `N` more requests wait; what comes then is answered 429")
	f.duration(&s.headerTimeout, "header-timeout", 10*time.Second, "`TIME` for the headers of a request")
	f.duration(&s.limits.BodyTime, "body-timeout", server.DefaultBodyTime, "`TIME` for the body of a request, and for each step of a stream")
	f.duration(&s.limits.RequestTime, "request-timeout", server.DefaultRequestTime, "`TIME` for the whole answer, waiting included; streams have as long as they need")
	f.duration(&s.idleTimeout, "idle-timeout", 2*time.Minute, "`TIME` that a connection may be without a request")
	f.duration(&s.shutdownTimeout, "shutdown-timeout", 10*time.Second, "`TIME` for requests that run when the program is told to end; then they are cancelled")

	f.set.StringVar(&s.keys, "keys", "",
		"TOML `FILE` with the keys of those who are let in (qntx-embed help key); SIGHUP reads it again. Without it everybody is, and may do everything")
	f.set.BoolVar(&s.anonymous, "allow-anonymous", false,
		"listen without keys also where other machines reach it: whoever does may read and write the database")
	f.count(&s.rate.TokensPerMinute, "rate-tokens", 0, "each key, or each address without keys, may have `N` tokens a minute embedded (default: no limit)")
	f.count(&s.rate.Burst, "rate-burst", 0, "of which at most `N` at once (default: those of a minute)")
	f.listOf(&s.origins, "cors-origins", "web pages of these origins may call: a `LIST` such as https://example.org,https://example.com, or * for all (default: none)")
	f.set.StringVar(&s.certificate, "tls-cert", "", "PEM `FILE` with the certificate for HTTPS, and those between it and its root; SIGHUP reads it again")
	f.set.StringVar(&s.certificateKey, "tls-key", "", "PEM `FILE` with the certificate's key")

	f.choice(&s.controlCharacters, "control-characters", "what becomes of control characters in texts, other than tab and line ends: `WHAT` is keep, refuse or remove",
		"keep", "refuse", "remove")
	f.set.BoolVar(&s.nfc, "nfc", false, "bring texts to Unicode's normalisation form C before they are embedded and stored")

	f.choice(&s.logFormat, "log-format", "write the log as `FORMAT`: text or json", "text", "json")
	f.choice(&s.logLevel, "log-level", "write what is at least of this `LEVEL`: debug, info (each request), warn or error", "info", "debug", "warn", "error")
	f.set.BoolVar(&s.logTexts, "log-texts", false, "write the texts of requests too, which are not in the log otherwise")
	f.set.BoolVar(&s.pprof, "pprof", false, "answer /debug/pprof/, for keys that may write")
}

// config is the server's, without what must be opened first.
func (s *serveSettings) config() server.Config {
	limits := s.limits
	limits.BodyBytes = int64(s.bodyBytes)
	control := map[string]server.ControlCharacters{
		"keep": server.ControlKeep, "refuse": server.ControlRefuse, "remove": server.ControlRemove,
	}
	return server.Config{
		ModelAliases: s.aliases,
		Limits:       limits,
		Rate:         s.rate,
		Origins:      s.origins,
		Clean:        server.Clean{ControlCharacters: control[s.controlCharacters], NFC: s.nfc},
		LogTexts:     s.logTexts,
	}
}
