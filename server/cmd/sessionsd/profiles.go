package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"
)

// serveProfiles serves /debug/pprof/ at an address that only this machine reaches, until stop is called; "" for not at all.
// Profiles show what is in memory, so they have an address of their own.
func serveProfiles(addr string, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	listener, err := listenForProfiles(addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	web := &http.Server{Handler: forLoopback(mux), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() { _ = web.Serve(listener) }()
	log.Info("serving profiles", "address", "http://"+listener.Addr().String()+"/debug/pprof/")
	return func() { _ = web.Close() }, nil
}

// listenForProfiles listens at an address of loopback, and refuses any other one.
func listenForProfiles(addr string) (net.Listener, error) {
	if host, _, err := net.SplitHostPort(addr); err != nil || !isLoopback(host) {
		return nil, fmt.Errorf("--pprof-addr: %q is not an address of loopback, such as 127.0.0.1:6060; profiles are for this machine only", addr)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--pprof-addr: %w", err)
	}
	return listener, nil
}

// checkProfiles returns the error that serveProfiles would return.
func checkProfiles(addr string) error {
	if addr == "" {
		return nil
	}
	listener, err := listenForProfiles(addr)
	if err != nil {
		return err
	}
	return listener.Close()
}

// forLoopback refuses requests that name another host: a page from elsewhere can make a browser send such requests here,
// by a name that resolves to this machine.
func forLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "this is for programs on the same machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host names this machine only.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
