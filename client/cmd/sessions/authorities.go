package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// caFileVariable is the variable of --ca-file.
const caFileVariable = "SESSIONS_CA_FILE"

// trusting returns an HTTP client that trusts the certificates in a file, in addition to the authorities that the system
// trusts; the default client for "".
func trusting(file string) (*http.Client, error) {
	if file == "" {
		return http.DefaultClient, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if err := trust(transport, file); err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}

// trust makes a transport trust the certificates in a file, in PEM, in addition to the authorities that the system trusts.
func trust(transport *http.Transport, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return usageError{fmt.Errorf("--ca-file: %w", pathError("read", err))}
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // the system has no authorities
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return usageError{fmt.Errorf("--ca-file: %s has no certificate in PEM", file)}
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// givenCAFile returns the file of the flag or the variable as an absolute path, "" for none.
func (a *app) givenCAFile() (string, error) {
	file := a.caFile
	if file == "" {
		file = os.Getenv(caFileVariable)
	}
	if file == "" {
		return "", nil
	}
	return filepath.Abs(file)
}
