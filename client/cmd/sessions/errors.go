package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloud-sessions/sessions/client"
)

// The exit codes; exitCodes describes them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitConflict    = 5
	exitBusy        = 6
	exitUnavailable = 7
	exitInterrupted = 130
)

// exitCodes is the help on exit codes.
const exitCodes = `Exit codes:
  0    success
  1    failure: no response, or a server error
  2    invalid command line, file or field; nothing was changed
  3    not found
  4    missing, invalid or insufficient token
  5    conflict with the current state, such as a session processing a turn
  6    too many requests, or an overloaded server: retry later
  7    a feature that the operator of the server has not switched on
  130  interrupted`

// usageError is a mistake on the command line or in a file.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// missingError is something that the command line names and that does not exist.
type missingError struct{ error }

func (e missingError) Unwrap() error { return e.error }

// fieldError is a mistake in a field of a request that was found before it was sent.
type fieldError struct {
	// param is the field, as the contract's errors name it.
	param   string
	message string
}

func (e *fieldError) Error() string { return e.message }

// explain says in one line what went wrong and what to do, and with which code to exit.
func (a *app) explain(ctx context.Context, cmd *cobra.Command, err error) (text string, code int) {
	failure, answered := errors.AsType[*client.Error](err)
	field, isField := errors.AsType[*fieldError](err)
	_, isDenied := errors.AsType[*deniedError](err)
	_, isMissing := errors.AsType[missingError](err)
	_, isUsage := errors.AsType[usageError](err)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		text = "interrupted"
		if answered && failure.Attempts > 0 && cmd.Flags().Lookup(keyFlag) != nil {
			text += "; the request may have taken effect"
		}
		return text, exitInterrupted
	case errors.Is(err, errStopped), errors.Is(err, errLeft):
		return err.Error(), exitInterrupted
	case isDenied:
		return err.Error(), exitDenied
	case answered:
		return a.describe(cmd, failure), exitCode(failure)
	case isField:
		return join(field.message, place(cmd, field.param)), exitUsage
	case isUsage:
		return err.Error(), exitUsage
	case isMissing:
		return err.Error(), exitNotFound
	case !a.started:
		return fmt.Sprintf("%s; see '%s --help'", exclusive(err.Error()), cmd.CommandPath()), exitUsage
	}
	return err.Error(), exitFailure
}

// flagError says in plain words that a flag's value is none, and which flag a misspelled one may be.
func flagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return suggestFlag(cmd, unknown)
	}
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	kind := "it must be a whole number"
	switch wrong.GetFlag().Value.Type() {
	case "duration":
		kind = "it must be a duration such as 30s"
	case "bool":
		kind = "it must be true or false"
	case formType:
		kind = wrong.Unwrap().Error()
	}
	return fmt.Errorf("--%s cannot be %q: %s", wrong.GetFlag().Name, wrong.GetValue(), kind)
}

// suggestFlag adds to an error about an unknown flag the flags that have a similar name.
func suggestFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	if unknown.GetSpecifiedShortnames() != "" {
		return unknown
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	near := similar(unknown.GetSpecifiedName(), slices.Values(names))
	if len(near) == 0 {
		return unknown
	}
	return fmt.Errorf("%w; did you mean --%s", unknown, strings.Join(near, " or --"))
}

// similar returns the names that are similar to one that was given, sorted.
func similar(given string, names iter.Seq[string]) []string {
	commands := &cobra.Command{SuggestionsMinimumDistance: 2} // each name is a command here, which cobra suggests
	for name := range names {
		commands.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	return slices.Sorted(slices.Values(commands.SuggestionsFor(given)))
}

// exclusive says in plain words what cobra says of flags that exclude or need each other, and leaves other texts.
func exclusive(text string) string {
	if !strings.HasPrefix(text, "if any flags in the group [") {
		return text
	}
	if _, missing, found := strings.Cut(text, "; missing ["); found {
		flags := strings.Fields(strings.TrimSuffix(missing, "]"))
		return "--" + strings.Join(flags, " and --") + " must be given as well"
	}
	_, given, _ := strings.Cut(text, "; [")
	flags := strings.Fields(strings.TrimSuffix(given, "] were all set"))
	return "--" + strings.Join(flags, " and --") + " exclude each other"
}

// exitCode is the exit code for an error of the client.
func exitCode(e *client.Error) int {
	if isWrongPath(e) {
		return exitUsage
	}
	if isWrongScheme(e) {
		return exitFailure
	}
	switch e.Type {
	case client.ErrInvalidRequest:
		return exitUsage
	case client.ErrNotFound:
		return exitNotFound
	case client.ErrAuthentication, client.ErrPermission:
		return exitDenied
	case client.ErrConflict:
		return exitConflict
	case client.ErrRateLimit, client.ErrOverloaded:
		return exitBusy
	case client.ErrFeatureNotAvailable:
		return exitUnavailable
	}
	return exitFailure
}

// isWrongPath reports whether the server does not have the API below the base URL. A 404 of another server of the API is at
// least JSON.
func isWrongPath(e *client.Error) bool {
	return e.Status == http.StatusNotFound && (strings.HasPrefix(e.Message, "Unknown path") || e.Is(client.ErrUnexpectedResponse) && !json.Valid(e.Raw))
}

// isWrongScheme reports whether an HTTPS server was asked without TLS. Go, nginx and Apache say so in such words.
func isWrongScheme(e *client.Error) bool {
	return e.Status == http.StatusBadRequest && e.Is(client.ErrUnexpectedResponse) &&
		strings.Contains(e.Message, "HTTP") && strings.Contains(e.Message, "HTTPS")
}

// isUntrusted reports whether nobody whom this machine trusts vouches for the server's certificate.
func isUntrusted(e *client.Error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](e)
	return unknown
}

// pathHint says how to change a base URL below which there is no API.
func pathHint(baseURL string) string {
	if u, err := url.Parse(baseURL); err == nil && u.Host != "" && strings.Trim(u.Path, "/") == "" {
		return "the base URL lacks the path of the API; try --base-url " + u.JoinPath("v1").String()
	}
	return "check --base-url, which ends in /v1 or /api/v1/cloud"
}

// describe says what the client found wrong, and which flag or argument to change.
func (a *app) describe(cmd *cobra.Command, e *client.Error) string {
	message, hint := e.Message, place(cmd, e.Param)
	switch {
	case e.Type == client.ErrAuthentication && e.Status == 0:
		message = "no token: run 'sessions login', or set QODER_PAT or --token-file"
	case e.Type == client.ErrAuthentication:
		hint = cmp.Or(a.refusal, "check QODER_PAT, --token-file or the profile")
	case isWrongScheme(e):
		hint = "the server speaks HTTPS; use https:// in the base URL"
	case isUntrusted(e):
		hint = "if you trust it, name a file with its certificate, or that of its authority, with --ca-file"
	case e.Type == "" && e.Status == 0:
		hint = "check that the server is running and --base-url is right"
	case isWrongPath(e):
		hint = pathHint(a.server)
	case e.Type == client.ErrInvalidRequest && strings.HasPrefix(message, "base URL"):
		hint = "change --base-url"
	}
	var notes []string
	if e.Status != 0 {
		notes = append(notes, fmt.Sprintf("%d %s", e.Status, e.Type))
	}
	if e.Param != "" && hint == "" {
		notes = append(notes, "param "+e.Param)
	}
	if e.RequestID != "" {
		notes = append(notes, "request id "+e.RequestID)
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	text := join(message, hint)
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

// join is a message and what to do about it.
func join(message, hint string) string {
	if hint == "" {
		return message
	}
	return strings.TrimSuffix(message, ".") + "; " + hint
}

// paramAnnotation marks flags with the contract's name of what they set.
const paramAnnotation = "param"

// argumentAnnotation marks a command with the parameter that its last argument sets.
const argumentAnnotation = "argument"

// place says where a parameter of the contract is given on cmd's command line, "" when nowhere.
func place(cmd *cobra.Command, param string) string {
	flags := flagsFor(cmd, param)
	file := cmd.Flags().Lookup(fileFlag)
	words := strings.Fields(cmd.Use)
	argument := strings.ToUpper(strings.TrimSuffix(param, "_id"))
	if set := cmd.Annotations[argumentAnnotation]; set != "" && strings.HasPrefix(param, set) {
		argument = words[len(words)-1]
	}
	switch {
	case param == "":
		return ""
	case len(flags) > 0 && flags[0].Changed:
		return "change --" + flags[0].Name
	case file != nil && file.Changed:
		return fmt.Sprintf("change %s in --file %s", param, file.Value)
	case slices.Contains(words, argument):
		return "change the argument " + strings.Trim(argument, "[].")
	case len(flags) > 0:
		return "set --" + flags[0].Name
	}
	return ""
}

// flagsFor returns cmd's flags that set a parameter or what holds it, those that were given first, then
// the nearest.
func flagsFor(cmd *cobra.Command, param string) []*pflag.Flag {
	near := map[*pflag.Flag]int{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, path := range f.Annotations[paramAnnotation] {
			rest, ok := strings.CutPrefix(param, path)
			if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				near[f] = len(path)
			}
		}
	})
	return slices.SortedFunc(maps.Keys(near), func(x, y *pflag.Flag) int {
		return cmp.Or(changed(y)-changed(x), near[y]-near[x], strings.Compare(x.Name, y.Name))
	})
}

// changed is 1 for a flag that was set.
func changed(f *pflag.Flag) int {
	if f.Changed {
		return 1
	}
	return 0
}
