package mcptools

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/egress"
)

// sentence is an error whose text is a sentence for callers.
type sentence string

// Error implements error.
func (s sentence) Error() string { return string(s) }

// ErrorType names the error in traces.
func (s sentence) ErrorType() string { return "mcp_error" }

// rejected is the code of errors that the MCP client makes up when a request got no response, or a temporary status. The
// session lives on.
const rejected = -32005

// refusal returns the error that a server has responded with, nil if err is another one.
func refusal(err error) *jsonrpc.Error {
	var e *jsonrpc.Error
	if errors.Is(err, mcp.ErrConnectionClosed) || !errors.As(err, &e) || e.Code == rejected {
		return nil
	}
	return e
}

// fate is what became of a call that has no result.
type fate struct {
	// reason is a sentence for callers and for the model.
	reason error
	// ran reports whether the tool may have run, known whether that is known.
	ran, known bool
	// gone reports whether the server did not know the session, dead whether the session is of no more use.
	gone, dead bool
}

// repeatable reports whether the call may be repeated: the tool has not run, or it only reads.
func (f fate) repeatable(t listed) bool { return f.gone || f.ran && !f.known && t.repeatable }

// text tells the model what happened.
func (f fate) text() string {
	switch {
	case f.ran && f.known:
		return f.reason.Error()
	case f.ran:
		return "Nobody knows whether the tool has done its work. " + f.reason.Error()
	}
	return "The tool did not run. " + f.reason.Error()
}

// fateOf returns the fate of a call that ended with an error.
func fateOf(ctx context.Context, note *note, err error) fate {
	accepted, status, sending := note.read()
	refusal := refusal(err)
	f := fate{reason: reason(ctx, note, err), ran: accepted}
	switch {
	case ctx.Err() != nil:
		f.ran, f.dead = true, note.unfinished()
	case accepted && refusal != nil: // the server's own words, for the model
		f.reason, f.known = sentence("The MCP server refused the call: "+refusal.Message), true
	case accepted: // the MCP client cannot read the response; it does not say whether the session lives on
		f.dead = true
	case status == 0 && sending == nil: // the session was dead before
		f.gone, f.dead = true, true
	case status == http.StatusBadRequest, status == http.StatusNotFound, status == http.StatusGone:
		f.gone, f.dead = true, true
		if refusal != nil {
			f.reason = sentence("The MCP server refused the call: " + refusal.Message)
		}
	default:
		f.dead = errors.Is(err, mcp.ErrConnectionClosed) || status != 0 && status/100 != 5
		f.ran = status/100 == 5 || status == 0 && !unsent(sending)
	}
	return f
}

// unsent reports whether a request that failed was not sent.
func unsent(err error) bool {
	var dial *net.OpError
	var refused *egress.Refused
	var credential credentialError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &refused) || errors.As(err, &credential) || errors.Is(err, errElsewhere)
}

// reason returns a sentence for callers on why a server could not be used. It has nothing of what the server has sent but
// its status, and no address that a name has.
func reason(ctx context.Context, note *note, err error) error {
	var said sentence
	var refused *egress.Refused
	var credential credentialError
	var exceeded *budget.ExceededError
	accepted, status, sending := note.read()
	all := errors.Join(err, sending)
	switch {
	case errors.As(all, &said):
		return said
	case errors.As(all, &refused):
		return sentence(refused.Error())
	case errors.As(all, &credential):
		return sentence("The credential for it cannot be used: " + strings.TrimSuffix(credential.Error(), ".") + ".")
	case errors.As(all, &exceeded):
		return sentence("The MCP servers of the account's turns send too much at the same time; try again.")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return sentence("It did not respond in time.")
	case errors.Is(all, errElsewhere):
		return sentence("It sends its clients to another host, which is not allowed.")
	case errors.Is(all, egress.ErrTooLarge), strings.Contains(err.Error(), "SSE event exceeded"):
		return sentence(fmt.Sprintf("Its response is larger than %d MiB.", egress.MaxBody>>20))
	case errors.Is(all, egress.ErrHeaderTooLarge):
		return sentence(fmt.Sprintf("The header of its response is larger than %d KiB.", egress.MaxHeader>>10))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return sentence(fmt.Sprintf("It refused the request with the status %d; a vault of the session needs a credential for its URL that it accepts.", status))
	case status/100 == 3:
		return sentence(fmt.Sprintf("It redirects with the status %d, which is not followed; use the URL that it redirects to.", status))
	case status/100 == 4, status/100 == 5:
		return sentence(fmt.Sprintf("It responded with the status %d.", status))
	case accepted && refusal(err) != nil:
		return sentence(fmt.Sprintf("It responded with the JSON-RPC error %d.", refusal(err).Code))
	case status == 0 && sending != nil:
		return sentence("It could not be reached.")
	}
	return sentence("It does not respond as an MCP server does.")
}

// problem tells callers that a server's tools are missing.
func problem(server string, reason error) string {
	return fmt.Sprintf("The MCP server %q could not be used. %s", server, reason)
}
