package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/teranos/libqntx_embed/go/server"
)

func TestItListensElsewhereOnlyWithKeysOrWhenTold(t *testing.T) {
	address := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8787} }
	for _, test := range []struct {
		ip      string
		args    []string
		refused bool
	}{
		{"127.0.0.1", nil, false},
		{"127.9.9.9", nil, false},
		{"::1", nil, false},
		{"0.0.0.0", nil, true},
		{"::", nil, true},
		{"192.0.2.1", nil, true},
		{"192.0.2.1", []string{"--keys", "keys.toml"}, false},
		{"0.0.0.0", []string{"--allow-anonymous"}, false},
	} {
		f := allSettings()
		if _, err := f.parse(test.args); err != nil {
			t.Fatal(err)
		}
		err := guarded(address(test.ip), &f.serve)
		if (err != nil) != test.refused || err != nil && !(strings.Contains(err.Error(), "--keys") && strings.Contains(err.Error(), "--allow-anonymous")) {
			t.Errorf("%s %q: %v", test.ip, test.args, err)
		}
	}
}

func TestPastTheDeadlineRequestsAreCancelledAndSaySo(t *testing.T) {
	ctx, signal := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
		if errors.Is(context.Cause(r.Context()), server.ErrShuttingDown) {
			io.WriteString(w, "cancelled")
		}
	})
	f := allSettings()
	if _, err := f.parse([]string{"--shutdown-timeout", "50ms"}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, handler, slog.New(slog.DiscardHandler), &f.serve) }()
	answered := answerOf(listener)
	<-running
	signal()
	if got := <-answered; got != "cancelled" {
		t.Error(got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// newCertificate writes one for 127.0.0.1 of its own making.
func newCertificate(t *testing.T, directory string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.ParseIP("127.0.0.1")},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(directory, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

func TestCertificatesAreReadAgain(t *testing.T) {
	directory := t.TempDir()
	certificate, key := filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem")
	first := newCertificate(t, directory)
	loaded := new(certificates)
	if err := loaded.read(certificate, key); err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	go func() {
		served <- serve(ctx, loaded.listen(plain), handler, slog.New(slog.DiscardHandler), &allSettings().serve)
	}()
	get := func(pool *x509.CertPool) (string, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Get("https://" + plain.Addr().String())
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	if got, err := get(first); got != "HTTP/2.0" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	second := newCertificate(t, directory)
	if err := loaded.read(certificate, key); err != nil {
		t.Fatal(err)
	}
	if got, err := get(second); got != "HTTP/2.0" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
	if _, err := get(first); err == nil {
		t.Error("the old certificate is still there")
	}
	if err := os.WriteFile(certificate, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := loaded.read(certificate, key); err == nil || !strings.Contains(err.Error(), certificate) {
		t.Error(err)
	}
	if got, err := get(second); got != "HTTP/2.0" || err != nil {
		t.Errorf("after a certificate that cannot be read: %q, error %v", got, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
