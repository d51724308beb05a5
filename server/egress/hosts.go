package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Hosts are the hosts that an operator allows. The zero value allows none. It is safe for concurrent use.
type Hosts struct {
	public bool // any host at a public address
	named  []host
}

// host is one named host, or all hosts below one.
type host struct {
	name  string // in lower case
	below bool   // the hosts below name, and not name itself
	port  string // "" for any
}

// ParseHosts parses patterns: "*" is any host, "name", "*.name" (any host below it) and addresses are named hosts, each
// with ":port" for only that port. The text of an error is for the operator.
func ParseHosts(patterns []string) (Hosts, error) {
	var hosts Hosts
	for _, pattern := range patterns {
		if pattern == "*" {
			hosts.public = true
			continue
		}
		h, err := parseHost(pattern)
		if err != nil {
			return Hosts{}, err
		}
		hosts.named = append(hosts.named, h)
	}
	return hosts, nil
}

// parseHost parses the pattern of named hosts.
func parseHost(pattern string) (host, error) {
	wrong := fmt.Errorf("%q is not a host: give *, a host name, *.name, or an address, each with an optional :port", pattern)
	name, port := pattern, ""
	if addr, err := netip.ParseAddr(pattern); err == nil {
		return host{name: addr.Unmap().String()}, nil
	}
	if strings.Contains(pattern, ":") {
		var err error
		if name, port, err = net.SplitHostPort(pattern); err != nil {
			return host{}, wrong
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return host{}, wrong
		}
	}
	name, below := strings.CutPrefix(strings.ToLower(name), "*.")
	if addr, err := netip.ParseAddr(name); err == nil && !below {
		return host{name: addr.Unmap().String(), port: port}, nil
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
		return host{}, wrong
	}
	return host{name: name, below: below, port: port}, nil
}

// access is what hosts allow for a request's host.
type access int

// The kinds of access.
const (
	none   access = iota
	public        // if its address is a public one
	named         // also if its address is a private one
)

// access returns what is allowed for a host, a name or an address, and a port.
func (h Hosts) access(name, port string) access {
	name = strings.ToLower(name)
	if addr, err := netip.ParseAddr(name); err == nil {
		name = addr.Unmap().String()
	}
	for _, n := range h.named {
		if n.port != "" && n.port != port {
			continue
		}
		if name == n.name && !n.below || n.below && strings.HasSuffix(name, "."+n.name) {
			return named
		}
	}
	if h.public {
		return public
	}
	return none
}
