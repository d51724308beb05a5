package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// token is the access token of the accounts that the benchmark makes.
const token = "pt-bench"

// variant is one way to answer a request.
type variant struct {
	key, name string
	engine    engine
	// prepare makes it ready on an empty database of its engine.
	prepare func(ctx context.Context, db string) (*subject, error)
}

// subject is a variant, ready to be measured.
type subject struct {
	handler http.Handler
	// serve runs the handler on a free port of 127.0.0.1 until ctx ends, and says which.
	serve    func(ctx context.Context, listening func(baseURL string)) error
	requests requests
	close    func() error
}

// variants returns every variant by its letter; (a) is what the others are compared with.
func variants() []variant {
	return []variant{
		{"0", "fixed bytes, no server", noEngine, prepareCeiling},
		{"a", "echo strict handler", noEngine, stubbed(noChecks)},
		{"b", "(a) + request check", noEngine, stubbed(requestCheck)},
		{"c", "(b) + response check", noEngine, stubbed(bothChecks)},
		{"d", "full server, create", sqlite, full(createRequests)},
		{"e", "full server, get", sqlite, full(getRequests)},
		{"f", "full server, list of 20", sqlite, full(listRequests)},
		{"g", "(d) on PostgreSQL", postgres, full(createRequests)},
		{"h", "(e) on PostgreSQL", postgres, full(getRequests)},
		{"i", "(f) on PostgreSQL", postgres, full(listRequests)},
		{"k", "(d) with an idempotency key", sqlite, full(keyedRequests)},
	}
}

// chosen returns the variants with these letters, in the order of variants.
func chosen(letters string) ([]variant, error) {
	var list []variant
	for _, v := range variants() {
		if strings.Contains(letters, v.key) {
			list, letters = append(list, v), strings.ReplaceAll(letters, v.key, "")
		}
	}
	if rest := strings.ReplaceAll(letters, ",", ""); rest != "" {
		return nil, fmt.Errorf("there are no variants %q", rest)
	}
	return list, nil
}

// openServer runs everything that production has: a database, tokens, JSON logs, metrics, both checks.
func openServer(ctx context.Context, db string) (*server.Server, error) {
	return server.New(ctx, server.Config{
		DB: db, Demo: true, DemoToken: token, Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
}

// full prepares a server with seeded sessions.
func full(requestsFor func(ids []string) (requests, error)) func(context.Context, string) (*subject, error) {
	return func(ctx context.Context, db string) (*subject, error) {
		s, err := openServer(ctx, db)
		if err != nil {
			return nil, err
		}
		ids, err := seed(ctx, db)
		if err == nil {
			var list requests
			if list, err = requestsFor(ids); err == nil {
				return &subject{handler: s, serve: s.Run, requests: list, close: s.Close}, nil
			}
		}
		return nil, errors.Join(err, s.Close())
	}
}

// seed adds sessions to the demo account through the store.
func seed(ctx context.Context, dsn string) (ids []string, err error) {
	db, err := sqlstore.Open(ctx, dsn, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Atomically(ctx, func(ctx context.Context) error {
		for range seeded {
			session, err := db.CreateSession(ctx, server.DemoAccount, sessionSpec(server.DemoAgent, server.DemoEnvironment))
			if err != nil {
				return err
			}
			ids = append(ids, session.ID)
		}
		return nil
	})
	return ids, err
}

// sessionSpec is what createBody asks for.
func sessionSpec(agent, environment string) store.SessionSpec {
	return store.SessionSpec{
		AgentID: agent, EnvironmentID: environment, Title: "我的会话",
		Metadata: map[string]string{"purpose": "customer-support"},
	}
}
