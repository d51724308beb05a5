package server

import (
	"net/url"
	"strings"

	"github.com/cloud-sessions/sessions/server/internal/build"
	"github.com/cloud-sessions/sessions/server/turn"
)

// logStart logs what serves, and with which bounds.
func (s *Server) logStart(addr string) {
	c, built := s.config, build.Read()
	s.log.Info("serving", "address", addr, "tls", s.tls != nil, "version", built.Version, "commit", built.Commit, "go", built.Go,
		"database", withoutSecrets(c.DB), "files", BlobsOf(c.DB, c.Blobs), "runner", turn.NameOf(c.Runner, ""), "features", c.Features, "demo", c.Demo, "traces", c.Traces != nil,
		"workers", c.Workers, "max_turns", c.MaxTurns, "max_streams", c.MaxStreams, "max_bytes_in_flight", c.MaxBytesInFlight)
}

// withoutSecrets returns the name of a database without its user, its password and its settings.
func withoutSecrets(dsn string) string {
	if strings.HasPrefix(dsn, "sqlite:") {
		return dsn
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "PostgreSQL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
