package weaviate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weaviate/weaviate-go-client/v5/weaviate/fault"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/store"
)

// failure is what the engine answered in place of a result.
type failure struct {
	status  int // of HTTP; 200 where the answer itself has the error
	message string
}

func (e *failure) Error() string { return e.message }

// The engine gives no codes for what went wrong inside of it, and while nodes come and go it has many words for that.
// What it says of a query that was understood is over in a while, unless it has one of the lasting words and none of
// the passing ones: those of a schema that is on its way, and of nodes. What it refuses by its status (4xx) stays,
// unless it has a passing one.
var (
	lasting = []string{"query maximum results", "syntax error", "invalid", "unsupported", "not supported", "vector lengths", "not enabled"}
	passing = []string{
		"no such prop", "could not find class", "class not found", "does not exist in schema", "not found in schema", "schema version",
		"no graphql provider", "consistency level", "leader", "connection refused", "deadline exceeded", "overloaded", "memory pressure",
	}
)

func has(message string, words []string) bool {
	message = strings.ToLower(message)
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(message, word) })
}

// isPassing says that a call may be made again later.
func isPassing(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*unreachable](err); ok {
		return true
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return false
	}
	switch {
	case f.status == http.StatusTooManyRequests || has(f.message, passing):
		return true
	case f.status >= 400 && f.status < 500:
		return false
	}
	return !has(f.message, lasting)
}

// First and longest wait between two tries.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
)

// retry makes a call until it succeeds, fails for good, or the store's patience or the context is at its end.
func (s *Store) retry(ctx context.Context, what string, call func() error) error {
	deadline := time.Now().Add(s.settings.patience)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		if err := s.usable(ctx); err != nil {
			return err
		}
		err := plain(call())
		if err == nil {
			return nil
		}
		if done := store.Cancelled(ctx); done != nil {
			return done
		}
		// Half of it by chance, so that many clients do not come back at the same moment.
		pause := wait/2 + rand.N(wait/2)
		switch {
		case !isPassing(err):
			return refusal(what, err)
		case time.Now().Add(pause).After(deadline):
			return fmt.Errorf("%w: Weaviate could not %s within %v; it may be tried again later: %w", embeddings.ErrStoreUnavailable, what,
				s.settings.patience, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return store.Cancelled(ctx)
		case <-timer.C:
		}
	}
}

// refusal is an error that stays.
func refusal(what string, err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		switch f.status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%w: Weaviate did not let us %s (status %d); its API key is missing, wrong, or may not do that: %w",
				embeddings.ErrStore, what, f.status, err)
		}
		return fmt.Errorf("%w: Weaviate refused to %s: %w", embeddings.ErrStore, what, err)
	}
	// Ours: refused, or not found; or what the client could not read.
	for _, own := range []error{embeddings.ErrInvalidArgument, embeddings.ErrNotFound, embeddings.ErrDimensions, errors.ErrUnsupported} {
		if errors.Is(err, own) {
			return err
		}
	}
	return fmt.Errorf("%w: Weaviate could not %s: %w", embeddings.ErrStore, what, err)
}

// plain makes an error of the official client, which may have others of its own in it, one of this package.
func plain(err error) error {
	for {
		client, ok := errors.AsType[*fault.WeaviateClientError](err)
		switch {
		case !ok:
			return err
		case client.DerivedFromError != nil:
			err = client.DerivedFromError
		case client.IsUnexpectedStatusCode:
			return &failure{client.StatusCode, client.Msg}
		default:
			return &failure{http.StatusOK, client.Msg}
		}
	}
}

// statusOf is what HTTP said, or 0.
func statusOf(err error) int {
	if f, ok := errors.AsType[*failure](plain(err)); ok {
		return f.status
	}
	return 0
}
