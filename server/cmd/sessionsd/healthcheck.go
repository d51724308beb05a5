package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand() *cobra.Command {
	var addr, cert string
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a server on this machine whether it is ready",
		Long: `Asks the server at --addr, which is the variable of 'sessionsd serve' as well, for /readyz: whether it and its database
serve requests. It is for containers, whose images have no other program that could ask. The exit status is 0 or 1.

With --tls-cert it asks over HTTPS. It does not verify the certificate, since that is not one for this address, and sends
nothing that is secret.`,
		Example: "  SESSIONSD_ADDR=0.0.0.0:8080 sessionsd healthcheck",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scheme, path := "http", "/readyz"
			if cert != "" {
				scheme = "https"
			}
			if live {
				path = "/healthz"
			}
			address, err := reachable(addr)
			if err != nil {
				return fmt.Errorf("--addr: %w", err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return askHealth(ctx, scheme+"://"+address+path)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "`HOST:PORT` that the server listens on")
	cmd.Flags().StringVar(&cert, "tls-cert", "", "`FILE` of the server's certificate, if it serves HTTPS; only whether it is set counts")
	cmd.Flags().BoolVar(&live, "live", false, "ask only whether the process lives (/healthz), not whether its database does")
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long to wait for the response")
	return describeEnvironment(cmd)
}

// reachable returns an address at which this machine reaches a server that listens on addr: one that listens on all
// addresses is reached at that of loopback.
func reachable(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// wantsHTTPS is in the response of net/http to a request without TLS, at a port with it.
const wantsHTTPS = "HTTP request to an HTTPS server"

// askHealth returns an error unless the response is a 200.
func askHealth(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // see the command's help
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if res.StatusCode == http.StatusBadRequest && bytes.Contains(body, []byte(wantsHTTPS)) {
		return fmt.Errorf("%s: the server serves HTTPS; add --tls-cert", url)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", url, res.Status, body)
	}
	return nil
}
