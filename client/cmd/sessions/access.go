package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/cloud-sessions/sessions/client"
)

// The variables of the client, which win over the current profile.
const (
	tokenVariable   = "QODER_PAT"
	baseURLVariable = "QODER_BASE_URL"
)

// access returns the options for the server and its token: those of the flags, then of the profile that --profile names,
// then of the environment, then of the current profile. The token of a profile goes to the server of the profile alone,
// and its --ca-file is for that server.
func (a *app) access(ctx context.Context) ([]client.Option, error) {
	token, err := a.readToken(ctx)
	if err != nil {
		return nil, usageError{err}
	}
	if a.authority, err = a.givenCAFile(); err != nil {
		return nil, err
	}
	baseURL := a.baseURL
	a.server = cmp.Or(baseURL, os.Getenv(baseURLVariable), client.DefaultBaseURL)
	if a.profile != "" || token == "" && os.Getenv(tokenVariable) == "" {
		stored, err := readProfiles()
		if err != nil {
			return nil, err
		}
		p, err := stored.get(a.profile)
		if err != nil {
			return nil, err
		}
		if a.profile == "" {
			baseURL = cmp.Or(baseURL, os.Getenv(baseURLVariable))
		}
		switch {
		case p == nil:
		case baseURL == "" || p.isFor(baseURL):
			baseURL, token = p.BaseURL, cmp.Or(token, p.Token)
			a.authority = cmp.Or(a.authority, p.CAFile)
		case a.profile != "" && token == "":
			return nil, usageError{fmt.Errorf("the token of the profile %s is for %s only; leave out --base-url or --profile", a.profile, p.BaseURL)}
		}
	}
	var opts []client.Option
	if baseURL != "" {
		a.server = baseURL
		opts = append(opts, client.WithBaseURL(baseURL))
	}
	if token != "" {
		opts = append(opts, client.WithToken(token))
	}
	return opts, nil
}

// readToken returns the token of the flags, "" for none.
func (a *app) readToken(ctx context.Context) (string, error) {
	if a.tokenFile == "" {
		return a.token, nil
	}
	data, err := a.readText(ctx, a.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("--token-file: %s is empty", a.tokenFile)
	}
	return token, nil
}
