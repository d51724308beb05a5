package server

import (
	"fmt"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/tools/mcptools"
)

// openEgress returns the client for requests whose URL callers choose.
func openEgress(config Config) (*egress.Client, error) {
	hosts, err := egress.ParseHosts(config.MCPAllow)
	if err != nil {
		return nil, fmt.Errorf("the hosts of MCP servers: %w", err)
	}
	return egress.New(hosts), nil
}

// openMCP returns what gives turns the tools of MCP servers; what the servers send counts as bytes of turns.
func (s *Server) openMCP(api *contract.Contract, bytes *budget.Budget) *mcptools.Source {
	return mcptools.New(mcptools.Options{
		Contract: api, Egress: s.egress, Credentials: s.vaults, CallTimeout: s.config.MCPTimeout, Budget: bytes,
		Now: s.config.Now,
	})
}
