package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// shutdownTime is how long running requests may go on after a signal.
const shutdownTime = 10 * time.Second

func runServe(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	log := slog.New(slog.NewTextHandler(c.err, nil))
	service, err := newService(f)
	if err != nil {
		return err
	}
	defer service.Close()
	config := server.Config{Service: service, Logger: log}

	if f.attestations != "" {
		if sameFile(f.attestations, f.db) {
			return fmt.Errorf("--attestations and --db are the same file, '%s': two copies of SQLite in one process destroy it; "+
				"give the embeddings a file of their own", f.db)
		}
		attestations, err := openAttestations(ctx, f.attestations)
		if err != nil {
			return err
		}
		defer attestations.Close()
		config.Attestations = attestations
	}

	rows := 0
	switch err := service.Init(ctx); {
	case errors.Is(err, embeddings.ErrNotCompiled):
		// A host without the tag runs like this too: its routes are there, and say why they do not work.
		log.Warn("every request will be answered 503", "reason", err)
	case err != nil:
		return err
	default:
		store, err := embeddings.OpenEmbeddingStore(f.db, f.store...)
		if err != nil {
			return err
		}
		defer store.Close()
		config.Store = store
		if rows, err = store.Count(ctx, embeddings.Selection{}); err != nil {
			return err
		}
	}

	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	log.Info("listening", "address", "http://"+listener.Addr().String(), "model", f.model, "db", f.db, "rows", rows)
	return serve(ctx, listener, server.New(config), log)
}

// serve answers requests until ctx is done, and then finishes those that run.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	httpServer := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      5 * time.Minute, // a full batch of long texts computes for some of them
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10, // a query is in the URL
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	if err := httpServer.Shutdown(deadline); err != nil {
		_ = httpServer.Close() // the error is the one of Shutdown
		return fmt.Errorf("requests were still running %v after the signal and were cut off: %w", shutdownTime, err)
	}
	return nil
}

// sameFile also sees links. A file that is not there yet is none that is.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
