package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client"
)

// A redirect to the same host without TLS would send the token in plain text.
func TestRedirectsKeepTheScheme(t *testing.T) {
	var sent []string
	transport := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = append(sent, req.URL.Scheme)
		res := &http.Response{StatusCode: http.StatusFound, Header: http.Header{}, Body: http.NoBody, Request: req}
		res.Header.Set("Location", "http://"+req.URL.Host+req.URL.Path)
		return res, nil
	})
	c, err := client.New(client.WithToken("pt-1"), client.WithBaseURL("https://api.example:8443"),
		client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Models.List(t.Context()); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("want the redirect as an error, got %v", err)
	}
	if len(sent) != 1 || sent[0] != "https" {
		t.Errorf("requests were sent by %v", sent)
	}
}
