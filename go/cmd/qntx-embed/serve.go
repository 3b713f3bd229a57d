package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/teranos/libqntx_embed/go/embeddings"
	"github.com/teranos/libqntx_embed/go/server"
)

// warnings leaves out what is as it should be: a server that cannot start says why in one line.
type warnings struct{ slog.Handler }

// Enabled says whether a line is written.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func runServe(ctx context.Context, f *flags, args []string, c console) error {
	if len(args) > 0 {
		return unexpected(args[0])
	}
	log := newLog(&f.serve, c.err)
	library := slog.New(warnings{log.Handler()})
	f.open = append(f.open, embeddings.WithLogger(library))
	service, err := newService(f)
	if err != nil {
		return err
	}
	defer service.Close()
	config := f.serve.config()
	config.Service, config.Logger = service, log
	if f.serve.pprof {
		config.Debug = profiling()
	}
	files, err := openFiles(&f.serve)
	if err != nil {
		return err
	}
	config.Keys = files.keys

	if f.serve.attestations != "" {
		if sameFile(f.serve.attestations, f.db) {
			return fmt.Errorf("--attestations and --db are the same file, '%s': two copies of SQLite in one process destroy it; "+
				"give the embeddings a file of their own", f.db)
		}
		attestations, err := openAttestations(ctx, f.serve.attestations)
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
		store, err := embeddings.OpenEmbeddingStore(f.db, append(f.store, embeddings.WithStoreLogger(library))...)
		if err != nil {
			return err
		}
		defer store.Close()
		config.Store = store
		if rows, err = store.Count(ctx, embeddings.Selection{}); err != nil {
			return err
		}
	}

	listener, err := net.Listen("tcp", f.serve.listen)
	if err != nil {
		return err
	}
	if err := guarded(listener.Addr(), &f.serve); err != nil {
		listener.Close()
		return err
	}
	scheme := "http"
	if files.tls != nil {
		scheme, listener = "https", files.tls.listen(listener)
	}
	stop := files.reload(log)
	defer stop()
	log.Info("listening", "address", scheme+"://"+listener.Addr().String(), "model", f.model, "db", f.db, "rows", rows)
	return serve(ctx, listener, server.New(config), log, &f.serve)
}

// guarded refuses to listen where other machines can write the database and nobody has said that they may.
func guarded(address net.Addr, s *serveSettings) error {
	tcp, ok := address.(*net.TCPAddr)
	if s.keys != "" || s.anonymous || ok && tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %s can be reached from other machines, and there are no keys: whoever reaches it could read and write "+
		"the database; give --keys FILE (qntx-embed help key), or --allow-anonymous if that is wanted", s.listen)
}

// serve answers requests until ctx is done. Then it takes no more, lets those that run finish until the deadline, and
// cancels what is left.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger, s *serveSettings) error {
	base, cancelAll := context.WithCancelCause(context.Background())
	defer cancelAll(nil)
	httpServer := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: s.headerTimeout,
		// For requests that are refused before their body is read; the handler has its own for the others.
		ReadTimeout: s.headerTimeout + s.limits.BodyTime,
		// After a request's own time there is some for an answer and a slow reader of it.
		WriteTimeout:   s.headerTimeout + s.limits.BodyTime + s.limits.RequestTime,
		IdleTimeout:    s.idleTimeout,
		MaxHeaderBytes: 64 << 10, // a query is in the URL
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	deadline, cancel := context.WithTimeout(context.Background(), s.shutdownTimeout)
	defer cancel()
	err := httpServer.Shutdown(deadline)
	if err == nil {
		return nil
	}
	log.Warn("requests are still running and are cancelled", "after", s.shutdownTimeout)
	cancelAll(server.ErrShuttingDown)
	ended, cancelEnded := context.WithTimeout(context.Background(), cancelTime)
	defer cancelEnded()
	if err := httpServer.Shutdown(ended); err != nil {
		_ = httpServer.Close() // the error is the one of Shutdown
		return fmt.Errorf("requests were still running %v after the signal and were cut off: %w", s.shutdownTimeout+cancelTime, err)
	}
	return nil
}

// cancelTime is what a cancelled request has for saying so.
const cancelTime = 5 * time.Second

func newLog(s *serveSettings, to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.logLevel)) // one of the words of its flag
	options := &slog.HandlerOptions{Level: level}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

func profiling() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// sameFile also sees links. A file that is not there yet is none that is.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
