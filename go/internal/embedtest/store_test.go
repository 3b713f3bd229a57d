package embedtest

import (
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestTheStandInIsAStore(t *testing.T) {
	TestStore(t, func(*testing.T) embeddings.Store { return new(Store) })
}
