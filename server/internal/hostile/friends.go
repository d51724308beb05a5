package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// account is a caller with a token.
type account struct {
	base, token string
	session     string // the path of a session
}

// do sends a request and reads its response to the end. It returns what the response begins with.
func (a account) do(ctx context.Context, client *http.Client, method, path, key string, body io.Reader) (status int, begin []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+"/v1"+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	begin, err = io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	return res.StatusCode, begin, err
}

// create posts a body and returns the new id.
func (a account) create(ctx context.Context, path, body string) (string, error) {
	status, begin, err := a.do(ctx, http.DefaultClient, http.MethodPost, path, "", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	id, found := strings.CutPrefix(string(begin), `{"id":"`)
	if status != http.StatusCreated || !found {
		return "", fmt.Errorf("POST %s: %d %s", path, status, begin)
	}
	id, _, _ = strings.Cut(id, `"`)
	return id, nil
}

// beside measures the friends' requests while load runs.
func beside(ctx context.Context, friends []account, duration time.Duration, load func(context.Context)) (all measured) {
	loading, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { load(loading) })
	end := time.Now().Add(duration)
	var mu sync.Mutex
	var measuring sync.WaitGroup
	for _, friend := range friends {
		measuring.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			var own measured
			for time.Now().Before(end) && ctx.Err() == nil {
				start := time.Now()
				status, _, err := friend.do(ctx, client, http.MethodGet, friend.session, "", nil)
				own.times = append(own.times, time.Since(start))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				if err != nil {
					own.failures = append(own.failures, fmt.Errorf("%s, after %s: %w", start.Format(time.TimeOnly), time.Since(start), err))
				}
				time.Sleep(5 * time.Millisecond) // a caller, not another load
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(own)
		})
	}
	measuring.Wait()
	stop()
	running.Wait()
	return all
}
