package embeddings_test

import (
	"errors"
	"testing"

	"github.com/teranos/libqntx_embed/go/embeddings"
)

func TestEveryCodeOfTheHeaderHasAnError(t *testing.T) {
	seen := map[error]bool{}
	for code := embeddings.Code(1); code <= 18; code++ {
		err := &embeddings.Error{Code: code, Message: "why"}
		kind := err.Unwrap()
		if kind == nil || seen[kind] {
			t.Errorf("code %d: %v", code, kind)
			continue
		}
		seen[kind] = true
		if !errors.Is(err, kind) || err.Error() != "why" {
			t.Errorf("code %d: %v is not %v", code, err, kind)
		}
	}
	if err := (&embeddings.Error{Code: 19}).Unwrap(); err != nil {
		t.Errorf("code 19, which is none: %v", err)
	}
	if !errors.Is(&embeddings.Error{Code: 12}, embeddings.ErrCancelled) || !errors.Is(&embeddings.Error{Code: 14}, embeddings.ErrStore) {
		t.Error("the codes have other errors than those of their names")
	}
}
