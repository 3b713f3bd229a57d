package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

// Role is what the holder of a key may do.
type Role int

const (
	// RoleRead may search, embed and read rows.
	RoleRead Role = iota + 1
	// RoleWrite may do all that there is.
	RoleWrite
)

// String is the role in a word.
func (r Role) String() string {
	switch r {
	case RoleRead:
		return "read"
	case RoleWrite:
		return "write"
	}
	return fmt.Sprintf("Role(%d)", int(r))
}

// Key is what a client shows to be let in: "Authorization: Bearer ...". Only its hash is known here, so a key must be
// long and random; `qntx-embed key` makes one.
type Key struct {
	// Name is for people, the log, and the rate, which is that of a name.
	Name string
	// SHA256 is the hash of the key.
	SHA256 [sha256.Size]byte
	// Role is what it allows.
	Role Role
	// Scope is which rows it can read: those that pass this filter; the zero Filter is all. To the holder the others are not
	// there: no search finds them, nor counts them, nor is influenced by them. What is written or deleted is not narrowed.
	Scope embeddings.Filter
}

// Keys are those that a server knows.
type Keys struct {
	list atomic.Pointer[[]Key]
}

// NewKeys makes a set of keys. An empty one lets nobody in.
func NewKeys(keys []Key) *Keys {
	k := new(Keys)
	k.Set(keys)
	return k
}

// Set takes these keys in place of those before. Requests that are running go on. It may be called at any time by any
// goroutine.
func (k *Keys) Set(keys []Key) { k.list.Store(&keys) }

// find compares with every key, in the same time whichever it is.
func (k *Keys) find(secret string) *Key {
	hash := sha256.Sum256([]byte(secret))
	list := *k.list.Load()
	found := -1
	for i := range list {
		if subtle.ConstantTimeCompare(hash[:], list[i].SHA256[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return nil
	}
	return &list[found]
}

// authorise lets a request pass that has a key of this role, and notes whose it is.
func (s *server) authorise(w http.ResponseWriter, r *http.Request, role Role) error {
	if s.config.Keys == nil || role == 0 {
		return nil
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	refuse := func(detail string) error {
		w.Header().Set("WWW-Authenticate", `Bearer realm="qntx-embed"`)
		return &problem{http.StatusUnauthorized, "unauthorized", detail}
	}
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return refuse(`a key is needed, and there is none; expected a header "Authorization: Bearer KEY"`)
	}
	key := s.config.Keys.find(secret)
	if key == nil {
		return refuse("the key is not one of this server's")
	}
	call := callOf(r.Context())
	call.key, call.caller = key, "key "+key.Name
	if key.Role < role {
		return &problem{http.StatusForbidden, "forbidden",
			fmt.Sprintf("the key %q may %s; this needs one that may %s", key.Name, key.Role, role)}
	}
	return nil
}
