package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/teranos/libqntx_embed/go/server"
)

// files are those that SIGHUP reads again.
type files struct {
	settings *serveSettings
	keys     *server.Keys // nil: none
	tls      *certificates
}

func openFiles(s *serveSettings) (*files, error) {
	f := &files{settings: s}
	if s.keys != "" {
		keys, err := readKeys(s.keys)
		if err != nil {
			return nil, err
		}
		f.keys = server.NewKeys(keys)
	}
	if (s.certificate == "") != (s.certificateKey == "") {
		return nil, errors.New("one of --tls-cert and --tls-key is given; expected both, or none for plain HTTP")
	}
	if s.certificate != "" {
		f.tls = new(certificates)
		if err := f.tls.read(s.certificate, s.certificateKey); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// reload reads the files again with each SIGHUP until stop is called. A file that cannot be read leaves what was.
func (f *files) reload(log *slog.Logger) (stop func()) {
	hangup, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangup {
			if f.keys != nil {
				keys, err := readKeys(f.settings.keys)
				if err != nil {
					log.Error("keys not read again; those before stay", "error", err)
				} else {
					f.keys.Set(keys)
					log.Info("keys read again", "keys", len(keys))
				}
			}
			if f.tls != nil {
				if err := f.tls.read(f.settings.certificate, f.settings.certificateKey); err != nil {
					log.Error("certificate not read again; the one before stays", "error", err)
				} else {
					log.Info("certificate read again")
				}
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(hangup)
		<-done
	}
}

// certificates has the one that new connections get.
type certificates struct {
	current atomic.Pointer[tls.Certificate]
}

func (c *certificates) read(certificate, key string) error {
	read, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("--tls-cert '%s' with --tls-key '%s': %w; expected a certificate and its key, in PEM", certificate, key, err)
	}
	c.current.Store(&read)
	return nil
}

func (c *certificates) listen(plain net.Listener) net.Listener {
	return tls.NewListener(plain, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	})
}
