package weaviate

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Consistency is how many replicas must have answered before a call returns.
type Consistency string

// The levels that the engine has.
const (
	One    Consistency = "ONE"
	Quorum Consistency = "QUORUM"
	All    Consistency = "ALL"
)

var levels = []Consistency{One, Quorum, All}

// Option changes how [Open] opens a store. What is said in the URL too, the option overrides.
type Option func(*settings) error

type settings struct {
	hosts       []string
	tls         *tls.Config // nil: plain HTTP
	apiKey      string
	prefix      string
	shards      int
	replicas    int
	read, write Consistency
	attempt     time.Duration
	patience    time.Duration
	index       hnsw
}

// hnsw are the settings of the vector index of a new collection.
type hnsw struct {
	ef, construction, connections int
	quantisation                  string
}

func defaults() settings {
	return settings{
		prefix: "QntxEmbed", shards: 1, replicas: 3, read: Quorum, write: Quorum,
		attempt: 10 * time.Second, patience: 30 * time.Second,
		index: hnsw{ef: 256, construction: 128, connections: 32},
	}
}

// WithAPIKey sends a key with each request.
func WithAPIKey(key string) Option {
	return func(s *settings) error {
		if key == "" || strings.ContainsAny(key, "\r\n") {
			return invalid("WithAPIKey: the key is empty, or has more than one line")
		}
		s.apiKey = key
		return nil
	}
}

// WithTLS says which certificates are trusted, and which one is shown; the URL must begin with weaviates:// then. The
// configuration is cloned.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) error {
		if s.tls == nil {
			return invalid("WithTLS for a weaviate:// URL; expected weaviates://, which is spoken to with TLS")
		}
		s.tls = config.Clone()
		return nil
	}
}

// parameters are those of the URL.
var parameters = map[string]func(s *settings, value string) error{
	"prefix": func(s *settings, value string) error {
		s.prefix = value
		for i, r := range value {
			if !(r >= 'A' && r <= 'Z' || i > 0 && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_')) || i > 100 {
				return invalid("prefix is %q; expected a capital letter, and up to 100 letters, digits and _", value)
			}
		}
		if value == "" {
			return invalid("prefix is empty")
		}
		return nil
	},
	"shards":       number(1, 1024, func(s *settings) *int { return &s.shards }),
	"replicas":     number(1, 64, func(s *settings) *int { return &s.replicas }),
	"read":         level(func(s *settings) *Consistency { return &s.read }),
	"write":        level(func(s *settings) *Consistency { return &s.write }),
	"attempt":      duration(func(s *settings) *time.Duration { return &s.attempt }),
	"patience":     duration(func(s *settings) *time.Duration { return &s.patience }),
	"ef":           number(1, 10_000, func(s *settings) *int { return &s.index.ef }),
	"construction": number(1, 10_000, func(s *settings) *int { return &s.index.construction }),
	"connections":  number(4, 1024, func(s *settings) *int { return &s.index.connections }),
	"quantisation": func(s *settings, value string) error {
		if !slices.Contains([]string{"none", "sq", "bq", "rq"}, value) {
			return invalid("quantisation is %q; expected none, sq, bq or rq", value)
		}
		s.index.quantisation = value
		return nil
	},
}

func number(least, most int, of func(*settings) *int) func(*settings, string) error {
	return func(s *settings, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return invalid("%q is no number from %d to %d", value, least, most)
		}
		*of(s) = n
		return nil
	}
}

func level(of func(*settings) *Consistency) func(*settings, string) error {
	return func(s *settings, value string) error {
		if !slices.Contains(levels, Consistency(strings.ToUpper(value))) {
			return invalid("%q is no level of consistency; expected one, quorum or all", value)
		}
		*of(s) = Consistency(strings.ToUpper(value))
		return nil
	}
}

func duration(of func(*settings) *time.Duration) func(*settings, string) error {
	return func(s *settings, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return invalid("%q is no time such as 10s or 1m30s", value)
		}
		*of(s) = d
		return nil
	}
}

// parse reads a URL such as weaviate://host1:8080,host2:8080?replicas=3.
func parse(text string) (settings, error) {
	s := defaults()
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "weaviate" && scheme != "weaviates" {
		return s, invalid("the store '%s' is no URL of Weaviate; expected weaviate://HOST:PORT,HOST:PORT, or weaviates:// for TLS", text)
	}
	if scheme == "weaviates" {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// By hand: net/url takes no list of hosts.
	names, query, _ := strings.Cut(rest, "?")
	for _, host := range strings.Split(strings.TrimSuffix(names, "/"), ",") {
		name, port, err := net.SplitHostPort(host)
		if n, numeric := strconv.Atoi(port); err != nil || name == "" || numeric != nil || n < 1 || n > 65535 {
			return s, invalid("the store '%s': the host '%s' is not HOST:PORT; several have a comma between them", text, host)
		}
		if !slices.Contains(s.hosts, host) {
			s.hosts = append(s.hosts, host)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return s, invalid("the store '%s': %v", text, err)
	}
	for name, value := range values {
		set, known := parameters[name]
		if !known {
			return s, invalid("the store '%s': there is no parameter '%s'; expected %s", text, name, parameterNames())
		}
		if len(value) > 1 {
			return s, invalid("the store '%s': the parameter '%s' comes twice", text, name)
		}
		if err := set(&s, value[0]); err != nil {
			return s, fmt.Errorf("the store '%s': %s: %w", text, name, err)
		}
	}
	return s, nil
}

// parameterNames lists the parameters for a message.
func parameterNames() string {
	var names []string
	for name := range parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{embeddings.ErrInvalidArgument}, args...)...)
}
