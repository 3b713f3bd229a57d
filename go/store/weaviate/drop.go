package weaviate

import (
	"context"
	"net/http"
)

// Drop deletes the store's collections, of every model, with all that is in them.
func (s *Store) Drop(ctx context.Context) error {
	collections, err := s.all(ctx)
	if err != nil {
		return err
	}
	for _, c := range collections {
		err := s.retry(ctx, "delete a collection", func() error {
			err := s.client.Schema().ClassDeleter().WithClassName(c.name).Do(ctx)
			if statusOf(err) == http.StatusNotFound {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		s.forget(c.fingerprint)
	}
	return nil
}
