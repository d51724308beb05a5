package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
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

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
)

// certFiles are a certificate of 127.0.0.1 and its key, in files.
type certFiles struct {
	*testing.T
	cert, key string
}

func newCertFiles(t *testing.T) certFiles {
	t.Helper()
	dir := t.TempDir()
	return certFiles{t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

// pair makes a certificate with a serial number.
func (f certFiles) pair(serial int64) (cert, key []byte) {
	f.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		f.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		f.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// write replaces a file as programs that renew certificates do, with a later time.
func (f certFiles) write(path string, data []byte, at time.Time) {
	f.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.Chtimes(path+".new", at, at); err != nil {
		f.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.Fatal(err)
	}
}

// serial returns the serial number of the certificate that a new connection gets.
func (f certFiles) serial(baseURL string) int64 {
	f.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(baseURL, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestTLS replaces the certificate of a server while a stream is open over HTTP/2.
func TestTLS(t *testing.T) {
	t.Parallel()
	f := newCertFiles(t)
	cert, key := f.pair(1)
	began := time.Now().Add(-time.Hour)
	f.write(f.cert, cert, began)
	f.write(f.key, key, began)
	log := &syncBuffer{}
	baseURL, stop, done := running(t, server.Config{
		Demo: true, DemoToken: "pt-demo", TLSCert: f.cert, TLSKey: f.key, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	var protocols []string
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	c, err := client.New(client.WithToken("pt-demo"), client.WithBaseURL(baseURL+"/v1"), client.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			res, err := transport.RoundTrip(r)
			if err == nil {
				protocols = append(protocols, res.Proto)
			}
			return res, err
		}),
	}))
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	turns, replaced := 0, false
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	say := func() {
		t.Helper()
		if _, err := c.Sessions.Events.SendMessage(ctx, session.ID, "Hello"); err != nil {
			t.Fatal(err)
		}
	}
	say()
	for event, err := range c.Sessions.Events.Stream(ctx, session.ID, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Type != client.EventTypeSessionStatusIdle {
			continue
		}
		if turns++; turns == 2 {
			break
		}
		cert, key = f.pair(2)
		f.write(f.cert, cert, began.Add(time.Minute))
		if got := f.serial(baseURL); got != 1 {
			t.Errorf("half replaced: serial %d", got)
		}
		f.write(f.key, key, began.Add(time.Minute))
		if got := f.serial(baseURL); got != 2 {
			t.Errorf("replaced: serial %d", got)
		}
		replaced = true
		say() // the stream's connection continues
	}
	if !replaced || turns != 2 {
		t.Errorf("%d turns", turns)
	}
	for _, protocol := range protocols {
		if protocol != "HTTP/2.0" {
			t.Errorf("protocols %v", protocols)
		}
	}
	for _, want := range []string{"a changed certificate was not loaded", "a changed certificate was loaded"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	if _, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}}).Get(baseURL + "/healthz"); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Error("TLS 1.1 is accepted")
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// roundTripper is a function that is an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAReaderOverHTTP2WhoDoesNotReadIsDisconnected leaves a response unread: its request ends, and others on the same connection are
// served.
func TestAReaderOverHTTP2WhoDoesNotReadIsDisconnected(t *testing.T) {
	t.Parallel()
	f := newCertFiles(t)
	cert, key := f.pair(1)
	f.write(f.cert, cert, time.Now())
	f.write(f.key, key, time.Now())
	log := &syncBuffer{}
	baseURL, stop, done := running(t, server.Config{
		Demo: true, DemoToken: "pt-demo", TLSCert: f.cert, TLSKey: f.key, StreamPatience: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
	}
	send := func(method, path, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, baseURL+path, bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer pt-demo")
		r.Header.Set("Content-Type", "application/json")
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	large := send("POST", "/v1/agents", `{"name":"a","model":"ultimate","system":"`+strings.Repeat("x", 90_000)+`"}`)
	if large.StatusCode != http.StatusCreated || large.ProtoMajor != 2 {
		t.Fatal(large.Status, large.Proto)
	}
	eventually(t, "the server gives the reader up", func() bool { return strings.Contains(log.String(), "operation=createAgent") })
	if _, err := io.Copy(io.Discard, large.Body); err == nil || !strings.Contains(err.Error(), "stream error") {
		t.Errorf("read: %v", err)
	}
	if res := send("GET", "/v1/agents?limit=1", ""); res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTLSFilesAreChecked(t *testing.T) {
	t.Parallel()
	f := newCertFiles(t)
	cert, _ := f.pair(1)
	_, otherKey := f.pair(2)
	f.write(f.cert, cert, time.Now())
	f.write(f.key, otherKey, time.Now())
	for want, config := range map[string]server.Config{
		"set --tls-cert and --tls-key":              {TLSCert: f.cert},
		"no such file":                              {TLSCert: f.cert, TLSKey: f.key + "s"},
		"private key does not match public key":     {TLSCert: f.cert, TLSKey: f.key},
		"TLS needs both a certificate and its key:": {TLSKey: f.key},
	} {
		s, err := server.New(t.Context(), config)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}
