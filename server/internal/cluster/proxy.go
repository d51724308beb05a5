package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// balancer is a RoundTripper that sends requests to the replicas in turn, and leaves out those that are not ready.
type balancer struct {
	targets []*target
	turn    atomic.Uint64
	network *http.Transport
}

// target is a replica and whether its last probe succeeded.
type target struct {
	host  string
	ready atomic.Bool
}

const (
	// askEvery is the time between two probes of a replica; askPatience, how long a probe may take.
	askEvery    = 500 * time.Millisecond
	askPatience = 3 * time.Second
)

func newBalancer(all []*replica) *balancer {
	b := &balancer{network: &http.Transport{MaxIdleConnsPerHost: 64}}
	for _, r := range all {
		t := &target{host: r.url.Host}
		t.ready.Store(true)
		b.targets = append(b.targets, t)
	}
	return b
}

// errNoneReady is the error of a request that no replica can receive.
var errNoneReady = errors.New("no replica is ready")

// RoundTrip implements http.RoundTripper. A replica that accepts no connection has not seen the request, so the next
// replica receives it.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body != nil {
		defer body.Close()
		r.Body = io.NopCloser(body)
	}
	first := b.turn.Add(1)
	for i := range uint64(len(b.targets)) {
		t := b.targets[(first+i)%uint64(len(b.targets))]
		if !t.ready.Load() {
			continue
		}
		r.URL.Host = t.host
		answer, err := b.network.RoundTrip(r)
		var failed *net.OpError
		if !errors.As(err, &failed) || failed.Op != "dial" {
			return answer, err
		}
		t.ready.Store(false)
	}
	return nil, errNoneReady
}

// watch probes the replicas repeatedly until ctx ends.
func (b *balancer) watch(ctx context.Context) {
	for {
		var calls sync.WaitGroup
		for _, t := range b.targets {
			calls.Go(func() { t.ready.Store(b.ask(ctx, t.host)) })
		}
		calls.Wait()
		select {
		case <-ctx.Done():
			return
		case <-time.After(askEvery):
		}
	}
}

func (b *balancer) ask(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := b.network.RoundTrip(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// proxy is the balancer at an address.
type proxy struct {
	url        string
	web        *http.Server
	stop       context.CancelFunc
	background sync.WaitGroup
}

func startProxy(addr string, b *balancer) (*proxy, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &proxy{
		url: "http://" + listener.Addr().String(), stop: stop,
		web: &http.Server{
			ReadHeaderTimeout: 10 * time.Second,
			Handler: &httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) {
					r.Out.URL.Scheme = "http"
					r.SetXForwarded()
				},
				Transport:     b,
				FlushInterval: -1, // streams
				ErrorHandler:  refuse,
			},
		},
	}
	p.background.Go(func() { b.watch(ctx) })
	p.background.Go(func() { _ = p.web.Serve(listener) }) // until close
	return p, nil
}

// close waits for the requests under way, until ctx ends.
func (p *proxy) close(ctx context.Context) {
	p.stop()
	if p.web.Shutdown(ctx) != nil {
		_ = p.web.Close()
	}
	p.background.Wait()
}

// refuse responds like a server whose database is unavailable. Whether a replica has handled the request is unknown.
func refuse(w http.ResponseWriter, r *http.Request, _ error) {
	id := cmp.Or(r.Header.Get("X-Request-Id"), uuid.NewString())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(problem.StatusOf(types.ErrorTypeOverloadedError))
	_ = json.NewEncoder(w).Encode(types.Error{ // a caller that is gone needs no response
		Type: types.ErrorEnvelopeTypeError, RequestID: id,
		Error: types.ErrorDetail{
			Type: types.ErrorTypeOverloadedError, Message: "No replica has responded. Try again with the same idempotency key.",
		},
	})
}
