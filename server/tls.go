package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a server's certificate and private key, in two files that may be replaced while the server runs.
type certificate struct {
	files [2]string // of the chain and of the key, in PEM
	log   *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	// seen is what the files were at the last attempt to load them.
	seen [2]version
}

// version tells one content of a file from another.
type version struct {
	modified time.Time
	size     int64
	failed   bool
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{failed: true}
	}
	return version{modified: info.ModTime(), size: info.Size()}
}

// openCertificate loads the certificate of a configuration; it returns nil for one without.
func openCertificate(c Config) (*certificate, error) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return nil, nil
	case c.TLSCert == "" || c.TLSKey == "":
		return nil, errors.New("TLS needs both a certificate and its key: set --tls-cert and --tls-key")
	}
	made := &certificate{files: [2]string{c.TLSCert, c.TLSKey}, log: c.Logger}
	if err := made.load(made.versions()); err != nil {
		return nil, err
	}
	return made, nil
}

func (c *certificate) versions() [2]version {
	return [2]version{versionOf(c.files[0]), versionOf(c.files[1])}
}

// load loads the files. When that fails, the certificate stays as it is.
func (c *certificate) load(now [2]version) error {
	c.seen = now
	pair, err := tls.LoadX509KeyPair(c.files[0], c.files[1])
	if err != nil {
		return fmt.Errorf("the TLS certificate: %w", err)
	}
	c.loaded = &pair
	return nil
}

// config returns the TLS configuration of a server. Every handshake has the certificate that the files have at that time;
// connections that are open keep theirs.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.current}
}

// current implements tls.Config.GetCertificate. While one of the files is replaced and the other is not yet, they do not fit
// together: the certificate that was loaded before stays, until a later handshake.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.versions(); now != c.seen {
		if err := c.load(now); err != nil {
			c.log.Warn("a changed certificate was not loaded; the one before it stays in use", "error", err)
		} else {
			c.log.Info("a changed certificate was loaded", "file", c.files[0])
		}
	}
	return c.loaded, nil
}

// namesOf returns the names of hosts that a certificate is for.
func namesOf(leaf *x509.Certificate) []string {
	names := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
