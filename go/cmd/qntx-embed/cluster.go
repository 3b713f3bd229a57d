package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/teranos/libqntx_embed/go/store/weaviate"
)

// clusterSettings are how a Weaviate cluster is spoken to.
type clusterSettings struct {
	url            string
	key            string // files, all of them
	ca             string
	certificate    string
	certificateKey string
}

func clusterFlags(f *flags) {
	c := &f.cluster
	f.set.StringVar(&c.key, "store-key", "", "`FILE` with the API key of the Weaviate cluster")
	f.set.StringVar(&c.ca, "store-ca", "", "PEM `FILE` with the certificates that the cluster's are signed by (default: the system's)")
	f.set.StringVar(&c.certificate, "store-cert", "", "PEM `FILE` with the certificate that is shown to the cluster")
	f.set.StringVar(&c.certificateKey, "store-cert-key", "", "PEM `FILE` with that certificate's key")
}

// open makes a store of a URL, with what the files have. It does not connect.
func (c *clusterSettings) open(url string) (anyStore, error) {
	var options []weaviate.Option
	if c.key != "" {
		key, err := os.ReadFile(c.key)
		if err != nil {
			return nil, fmt.Errorf("--store-key: %w", err)
		}
		options = append(options, weaviate.WithAPIKey(string(bytes.TrimSpace(key))))
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	if config != nil {
		options = append(options, weaviate.WithTLS(config))
	}
	store, err := weaviate.Open(url, options...)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// tls is nil where no file says anything.
func (c *clusterSettings) tls() (*tls.Config, error) {
	if c.ca == "" && c.certificate == "" && c.certificateKey == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		trusted, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--store-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(trusted) {
			return nil, fmt.Errorf("--store-ca '%s' has no certificate in PEM", c.ca)
		}
	}
	switch {
	case (c.certificate == "") != (c.certificateKey == ""):
		return nil, errors.New("--store-cert and --store-cert-key belong together, and one of them is missing")
	case c.certificate != "":
		pair, err := tls.LoadX509KeyPair(c.certificate, c.certificateKey)
		if err != nil {
			return nil, fmt.Errorf("--store-cert '%s' with --store-cert-key '%s': %w", c.certificate, c.certificateKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
