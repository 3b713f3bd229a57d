// Command attestations is a service that has its own mux, middleware and data, and embeddings of what it knows:
// docs/migration.md goes through it.
//
//	go build -tags rustembeddings .    with the engine
//	go build .                         without: the routes of embeddings answer 503, all else works
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8788", "address")
	model := flag.String("model", "models/all-MiniLM-L6-v2", "model directory")
	db := flag.String("db", "embeddings.db", "database of embeddings, a file of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *model, *db); err != nil {
		slog.Error("attestations", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, model, db string) error {
	engine, err := openEngine(ctx, model, db)
	if err != nil {
		return err
	}
	defer engine.Close()
	running := &http.Server{Addr: listen, Handler: routes(engine, example), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- running.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return running.Shutdown(deadline)
}

// engine is the model and the store of embeddings.
type engine struct {
	service *embeddings.ManagedEmbeddingService
	store   embeddings.Store // nil in a build without the tag
	close   func() error
}

// openEngine opens both. A build without the tag has neither, which is no reason not to start: its routes say so.
func openEngine(ctx context.Context, model, db string) (*engine, error) {
	service, err := embeddings.NewManagedEmbeddingService(model)
	if err != nil {
		return nil, err
	}
	e := &engine{service: service, close: service.Close}
	switch err := service.Init(ctx); {
	case errors.Is(err, embeddings.ErrNotCompiled):
		slog.Warn("embeddings answer 503", "reason", err)
		return e, nil
	case err != nil:
		return nil, errors.Join(err, service.Close())
	}
	store, err := embeddings.OpenEmbeddingStore(db)
	if err != nil {
		return nil, errors.Join(err, service.Close())
	}
	e.store, e.close = store, func() error { return errors.Join(store.Close(), service.Close()) }
	return e, nil
}

// Close closes what is open.
func (e *engine) Close() error { return e.close() }

// routes are the service's own, and those of embeddings beside them, all behind its middleware.
func routes(e *engine, known attestations) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/attestations/{id}", known.show)
	handler := server.New(server.Config{
		Service:      e.service,
		Store:        e.store,
		Attestations: known, // resolves the attestation_ids of a batch
		Logger:       slog.Default(),
	})
	mux.Handle("/api/search/semantic", handler)
	mux.Handle("/api/embeddings/", handler)
	return versioned(mux)
}

// versioned stands for a host's middleware.
func versioned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Service-Version", "7")
		next.ServeHTTP(w, r)
	})
}

// attestations are the service's data, in place of its database.
type attestations map[string]*server.Attestation

var example = attestations{
	"as-1": {Subjects: []string{"pump-7"}, Predicates: []string{"stopped"}, Contexts: []string{"hall 3"},
		Attributes: map[string]any{"reason": "bearing noise"}},
	"as-2": {Subjects: []string{"train 402"}, Predicates: []string{"leaves from"}, Contexts: []string{"platform 4"}},
}

// Attestation is server.AttestationSource.
func (a attestations) Attestation(_ context.Context, id string) (*server.Attestation, error) {
	found, there := a[id]
	if !there {
		return nil, embeddings.ErrNotFound
	}
	return found, nil
}

func (a attestations) show(w http.ResponseWriter, r *http.Request) {
	found, there := a[r.PathValue("id")]
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found) // a client that has gone needs no answer
}
