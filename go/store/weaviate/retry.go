package weaviate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
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

// passing are words of messages about what is over in a while: nodes that come and go, a schema that is on its way. The engine
// gives no codes for them.
var passing = []string{
	"consistency level", "cannot query field", "no such prop", "could not find class", "class not found", "does not exist in schema",
	"unknown argument", "not found in schema", "leader", "connection refused", "connection reset", "broken pipe", "i/o timeout",
	"deadline exceeded", "context canceled", "eof", "no such host", "unavailable", "not ready", "not enough replicas", "no replica",
	"cannot reach", "overloaded", "memory pressure", "shutdown", "shutting down", "loading", "read-only", "schema version", "connect:",
	"local index", "shard not found", "cannot be read", "unmarshal response",
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
	if f.status == http.StatusTooManyRequests || f.status == http.StatusGatewayTimeout {
		return true
	}
	message := strings.ToLower(f.message)
	for _, word := range passing {
		if strings.Contains(message, word) {
			return true
		}
	}
	return false
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
