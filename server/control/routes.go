package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/faults"
	"github.com/cloud-sessions/sessions/server/turn"
)

// maxText is the most bytes of a script or a fault file.
const maxText = 256 << 10

// call is an admitted request.
type call struct {
	ctx     context.Context
	account string
	stage   *Stage
	body    []byte
	query   url.Values
}

// route is an operation of the interface. Its result is sent as JSON with a 200, or a 201 where it is an Account; nil is a 204.
type route struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Does   string `json:"does"`

	// demo is whether only the token of the demo's own account may call it.
	demo bool
	run  func(*Control, call) (any, error)
}

// routes are the interface.
func routes() []route {
	return []route{{
		Method: http.MethodGet, Path: Path, Does: "Lists these operations.",
		run: func(*Control, call) (any, error) { return map[string]any{"operations": routes()}, nil },
	}, {
		Method: http.MethodPost, Path: Path + "/accounts", demo: true, Does: fmt.Sprintf("Creates an account with an agent, an environment, a memory store, "+
			"and a token for %.0f hours. Only the token of the demo opens it. There can be %d accounts.", accountLife.Hours(), maxAccounts),
		run: func(c *Control, in call) (any, error) { return c.open(in.ctx) },
	}, {
		Method: http.MethodDelete, Path: Path + "/account", Does: "Ends the account: revokes its token, and forgets what was set and recorded. Its records stay in the database.",
		run: func(c *Control, in call) (any, error) { return nil, c.close(in.ctx, in.account) },
	}, {
		Method: http.MethodPut, Path: Path + "/script", Does: fmt.Sprintf("Makes the account's agents follow a script from the next turn on. "+
			"The body is the script as JSON, or a JSON string with its YAML, at most %d bytes.", maxText),
		run: setScript,
	}, {
		Method: http.MethodPut, Path: Path + "/faults", Does: fmt.Sprintf("Replaces the rules by which the account's requests fail, and counts requests from now on. "+
			"The body is a fault file as JSON, or a JSON string with its YAML, at most %d bytes.", maxText),
		run: setFaults,
	}, {
		Method: http.MethodGet, Path: Path + "/requests", Does: fmt.Sprintf("Returns the account's last requests, oldest first, without secrets: up to %d of them and %d bytes, "+
			"and up to %d bytes of a body. The parameter operation, which may be repeated, selects those of an operationId.", maxRequests, maxRecorded, maxBody),
		run: getRequests,
	}, {
		Method: http.MethodPost, Path: Path + "/reset", Does: "Forgets the account's script, faults and recorded requests. What the server was started with applies again.",
		run: func(_ *Control, in call) (any, error) {
			in.stage.Reset()
			return nil, nil
		},
	}}
}

func setScript(_ *Control, in call) (any, error) {
	script, err := turn.ParseScript("script", in.text())
	if err != nil {
		return nil, invalid("body", "%s", err)
	}
	in.stage.Play(script.Runner(nil))
	return nil, nil
}

func setFaults(_ *Control, in call) (any, error) {
	plan, err := faults.ParsePlan("faults", in.text())
	if err != nil {
		return nil, invalid("body", "%s", err)
	}
	in.stage.Fail(plan)
	return nil, nil
}

func getRequests(c *Control, in call) (any, error) {
	for name := range in.query {
		if name != "operation" {
			return nil, invalid(name, "Unknown parameter '%s'; the only one is 'operation'.", name)
		}
	}
	return map[string]any{"requests": c.recorded(in.stage, in.query["operation"])}, nil
}

// text returns the YAML that the body is. JSON is YAML, except that YAML has neither escaped slashes nor characters that are
// escaped as a pair of surrogates.
func (in call) text() []byte {
	var text string
	if json.Unmarshal(in.body, &text) == nil {
		return []byte(text)
	}
	return escapes.ReplaceAllFunc(in.body, func(escape []byte) []byte {
		if len(escape) < len(`\uD83D\uDE00`) && string(escape) != `\/` {
			return escape
		}
		_ = json.Unmarshal(slices.Concat([]byte{'"'}, escape, []byte{'"'}), &text)
		return []byte(text)
	})
}

// escapes are the beginnings of the escapes in JSON, and pairs of surrogates.
var escapes = regexp.MustCompile(`\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// Path is where the interface begins.
const Path = "/control"

// IsPath reports whether a path is the interface's.
func IsPath(path string) bool { return path == Path || strings.HasPrefix(path, Path+"/") }

// Serve serves a request of the interface. It returns the error to send, if it has sent nothing.
func (c *Control) Serve(w http.ResponseWriter, r *http.Request) error {
	if !Loopback(hostOf(r.Host)) {
		return &refusal{problem.Problem{
			Type: types.ErrorTypePermissionError, Message: "The demo's control is for programs on its own machine; send the Host 127.0.0.1 or localhost.", Param: "Host",
		}}
	}
	route, err := find(w.Header(), r)
	if err != nil {
		return err
	}
	in, err := c.admit(route, r)
	if err != nil {
		return err
	}
	if in.body, err = readBody(r); err != nil {
		return err
	}
	result, err := route.run(c, in)
	if err != nil {
		return err
	}
	return send(w, result)
}

// find returns the route of a request. For a method that its path does not have it sets the header Allow.
func find(header http.Header, r *http.Request) (*route, error) {
	var allowed []string
	for _, known := range routes() {
		switch {
		case known.Path != r.URL.Path:
		case known.Method == r.Method:
			return &known, nil
		default:
			allowed = append(allowed, known.Method)
		}
	}
	if allowed == nil {
		return nil, &refusal{problem.Problem{Type: types.ErrorTypeNotFoundError, Message: "Unknown path; GET /control lists the paths of the demo's control."}}
	}
	header.Set("Allow", strings.Join(allowed, ", "))
	return nil, &refusal{problem.Problem{
		Type: types.ErrorTypeInvalidRequestError, Status: http.StatusMethodNotAllowed, Message: "Method not allowed; the header Allow lists the methods of the path.",
	}}
}

// admit authenticates the caller and checks that its token opens the route.
func (c *Control) admit(route *route, r *http.Request) (call, error) {
	principal, err := c.opts.Auth.Authenticate(r.Context(), r.Header)
	if err != nil {
		return call{}, err
	}
	in := call{ctx: r.Context(), account: principal.Account, stage: c.stage(principal.Account), query: r.URL.Query()}
	switch {
	case !principal.Scope.Whole() || in.stage == nil:
		return call{}, forbidden("The demo's control needs the token of the demo, or of an account that POST /control/accounts has created.")
	case route.demo && in.account != c.opts.Demo:
		return call{}, forbidden("Only the token of the demo creates accounts.")
	}
	return in, nil
}

// readBody reads the body of a request that has one. Its content type must be JSON, which no page of another origin can send
// without asking first.
func readBody(r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil, nil
	}
	if !isJSON(r.Header.Values("Content-Type")) {
		return nil, invalid("Content-Type", "Header 'Content-Type' must be application/json.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxText+1))
	switch {
	case err != nil:
		return nil, invalid("body", "The body could not be read to its end.")
	case len(body) > maxText:
		return nil, invalid("body", "The body must have at most %d bytes.", maxText)
	case len(body) > 0 && !json.Valid(body):
		return nil, invalid("body", "The body must be JSON.")
	}
	return body, nil
}

// send sends the result of a route.
func send(w http.ResponseWriter, result any) error {
	if result == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	data, err := json.Marshal(result)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	status := http.StatusOK
	if _, created := result.(Account); created {
		status = http.StatusCreated
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a caller that has left needs no response
	return nil
}

// hostOf returns the host of a Host header, without its port.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		return strings.TrimSuffix(strings.TrimPrefix(header, "["), "]")
	}
	return host
}

// Loopback reports whether a host, a name or an address without a port, is this machine only.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// refusal is an error that callers see.
type refusal struct{ seen problem.Problem }

// Error implements error.
func (r *refusal) Error() string { return r.seen.Message }

// Problem implements problem.Error.
func (r *refusal) Problem() problem.Problem { return r.seen }

func invalid(param, format string, args ...any) error {
	return &refusal{problem.Problem{Type: types.ErrorTypeInvalidRequestError, Param: param, Message: fmt.Sprintf(format, args...)}}
}

func forbidden(message string) error {
	return &refusal{problem.Problem{Type: types.ErrorTypePermissionError, Message: message}}
}

func conflict(format string, args ...any) error {
	return &refusal{problem.Problem{Type: types.ErrorTypeConflictError, Message: fmt.Sprintf(format, args...)}}
}

// isJSON reports whether there is one content type, which is JSON.
func isJSON(contentTypes []string) bool {
	if len(contentTypes) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(contentTypes[0])
	return err == nil && media == "application/json"
}
