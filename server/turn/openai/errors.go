package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/cloud-sessions/sessions/api/lazyregexp"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/turn"
)

// maxWords is the length in bytes that an endpoint's words are cut to. A session.error has room for the rest.
const maxWords = 800

// EndpointError is what the endpoint itself said went wrong.
type EndpointError struct {
	// Status is the HTTP status of a refused request; 200 when the error came within a response.
	Status int
	// Message has the endpoint's own words, cut to 800 bytes and without the API key; "" when it sent none that
	// could be read.
	Message string

	code float64 // that the endpoint gave within the response; 0 for none
	hint string  // what else may tell which part of the request was refused
}

// Error returns the status and the message.
func (e *EndpointError) Error() string {
	text := "the model endpoint broke off its response"
	if e.Status != http.StatusOK {
		text = strings.TrimSpace(fmt.Sprintf("the model endpoint returned %d %s", e.Status, http.StatusText(e.Status)))
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// ErrorType is the status, which traces have.
func (e *EndpointError) ErrorType() string { return strconv.Itoa(e.Status) }

// Public returns the same for callers, and advises them to repeat the message where that can help.
func (e *EndpointError) Public() string {
	text := "T" + e.Error()[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	if e.passes() {
		text += " " + sendAgain
	}
	return text
}

const sendAgain = "Send the message again."

// lasting is found in the words of errors that a repetition meets as well, whatever their status.
var lasting = lazyregexp.New(`(?i)quota|billing|credit|balance|payment|api.?key|unauthori|not support|invalid|` +
	`does not exist|not found|context.(length|window|size)|maximum.*tokens|content.(filter|management|policy)`)

// passes reports whether the same request may succeed later.
func (e *EndpointError) passes() bool {
	status := float64(e.Status)
	if status == http.StatusOK {
		status = e.code
	}
	switch {
	case lasting().MatchString(e.Message + " " + e.hint):
		return false
	case status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return false
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return true
	}
	return status < 400 || status >= 500
}

// connectionError is a connection to the endpoint that failed. Callers are not told its addresses.
type connectionError struct{ detail string }

// Error returns the detail, which is for the log.
func (e *connectionError) Error() string {
	return "the connection to the model endpoint failed: " + e.detail
}

// Public returns what callers are told.
func (e *connectionError) Public() string {
	return "The connection to the model endpoint failed. " + sendAgain
}

// broken returns the error for a response that could not be read to its end.
func broken(err error) error { return &connectionError{detail: err.Error()} }

// permanent returns a failure that a repetition meets as well.
func permanent(format string, args ...any) error { return turn.Failuref(format, args...) }

// temporary returns a failure that may not come again.
func temporary(format string, args ...any) error {
	return turn.Failuref(format+" "+sendAgain, args...)
}

// refused returns the error of a response with a status that is none of success.
func refused(status int, body []byte) *EndpointError {
	e := &EndpointError{Status: status, Message: words(body), hint: hint(body)}
	return e
}

// reported returns the error that a chunk of a response reports.
func reported(chunk object) error {
	raw, _ := json.Marshal(chunk)
	e := &EndpointError{Status: http.StatusOK, hint: hint(raw)}
	for _, value := range []json.RawMessage{chunk["error"], chunk["base_resp"], chunk["errors"], raw} {
		if isNothing(value) {
			continue
		}
		if e.Message == "" {
			e.Message = words(value)
		}
		inner := asObject(value)
		for _, name := range []string{"code", "status", "status_code", "error_code"} {
			if code, ok := asNumber(inner[name]); ok && e.code == 0 {
				e.code = code
			}
		}
	}
	return e
}

// reportedText returns the error that a text within a response reports.
func reportedText(text string) error { return &EndpointError{Status: http.StatusOK, Message: text} }

// saysError reports whether a chunk reports an error. One that was understood as a part of a response does so only by
// saying the word.
func saysError(chunk object, understood bool) bool {
	if !isNothing(chunk["error"]) {
		return true
	}
	if code, ok := asNumber(asObject(chunk["base_resp"])["status_code"]); ok && code != 0 {
		return true
	}
	for _, name := range []string{"object", "type", "event", "status"} {
		if text := strings.ToLower(asText(chunk[name])); text == "error" || strings.HasSuffix(text, "_error") || strings.HasSuffix(text, ".error") ||
			!understood && strings.HasPrefix(text, "fail") {
			return true
		}
	}
	if understood {
		return false
	}
	for _, name := range []string{"errors", "error_code", "error_msg", "error_message", "errorCode", "errorMessage", "errmsg"} {
		if !isNothing(chunk[name]) {
			return true
		}
	}
	code, isNumber := asNumber(chunk["code"])
	return string(chunk["success"]) == "false" || code >= 400 || !isNumber && asText(chunk["code"]) != ""
}

// words returns what an error says: its message in the shapes that endpoints use, or else all of it. It returns nothing of
// what a model said, which the user may not be meant to see.
func words(body []byte) string {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<")) {
		return pageTitle(body)
	}
	text := strings.TrimSpace(string(body))
	if json.Valid(body) {
		if found := find(body, 0); found != "" {
			return found
		}
		var compact bytes.Buffer
		_ = json.Compact(&compact, body)
		text = compact.String()
	}
	for _, own := range []string{`"choices"`, `"delta"`, `"content"`, `"reasoning`, `"text"`} {
		if strings.Contains(text, own) {
			return ""
		}
	}
	if strings.Trim(text, `{}[]"`) == "" {
		return ""
	}
	return text
}

// find looks for the words of an error in a JSON value.
func find(raw json.RawMessage, depth int) string {
	if depth > 6 {
		return ""
	}
	switch kind(raw) {
	case '"':
		text := strings.TrimSpace(asText(raw))
		if inner := json.RawMessage(text); kind(inner) == '{' && json.Valid(inner) {
			if found := find(inner, depth+1); found != "" {
				return found
			}
		}
		return text
	case '[':
		var all []string
		for _, element := range asArray(raw) {
			if found := find(element, depth+1); found != "" && len(all) < 5 {
				all = append(all, found)
			}
		}
		return strings.Join(all, "; ")
	case '{':
		return findIn(asObject(raw), depth)
	}
	return ""
}

// findIn looks for the words of an error in an object.
func findIn(o object, depth int) string {
	found := ""
	if kind(o["error"]) != '"' {
		found = find(o["error"], depth+1)
	}
	for _, name := range []string{
		"message", "msg", "error", "detail", "details", "error_msg", "error_message", "errorMessage", "error_description",
		"errmsg", "status_msg", "errors", "base_resp", "title", "description", "reason",
	} {
		if found == "" {
			found = find(o[name], depth+1)
		}
	}
	if raw := asObject(o["metadata"])["raw"]; found != "" && !isNothing(raw) {
		found += ": " + find(raw, depth+1) // a gateway quotes the provider
	}
	if place := path(asArray(o["loc"])); found != "" && place != "" {
		found = place + ": " + found
	}
	return found
}

// path joins the steps to a place in a request.
func path(steps []json.RawMessage) string {
	var names []string
	for _, step := range steps {
		if name := asText(step); name != "" {
			names = append(names, name)
		} else {
			names = append(names, string(step))
		}
	}
	return strings.Join(names, ".")
}

// hint returns the words of an error that people are not shown but that tell what was refused.
func hint(body []byte) string {
	o := asObject(body)
	var hints []string
	for _, o := range []object{o, asObject(o["error"])} {
		for _, name := range []string{"param", "code", "type"} {
			hints = append(hints, asText(o[name]))
		}
	}
	return strings.Join(hints, " ")
}

var title = lazyregexp.New(`(?is)<title[^>]*>(.*?)</title>`)

// pageTitle returns the title of a web page; "" when there is none.
func pageTitle(page []byte) string {
	found := title().FindSubmatch(page)
	if found == nil {
		return ""
	}
	return strings.Join(strings.Fields(html.UnescapeString(toUTF8(found[1]))), " ")
}

// credentials are what looks like a secret of somebody's: gateways quote the requests that they sent themselves.
var credentials = lazyregexp.New(`(?i)(bearer\s+|api[-_]?key["']?\s*[:=]\s*["']?|[?&](?:key|token|access_token)=)[^\s"'&,;<>]{4,}` +
	`|\bsk-[A-Za-z0-9_-]{8,}|\bAIza[A-Za-z0-9_-]{20,}`)

// clean takes secrets out of text, makes it one that can be shown, and cuts it.
func (r *Runner) clean(text string) string {
	text = toUTF8([]byte(text))
	if r.secret != "" {
		quoted := strconv.Quote(r.secret)
		for _, form := range []string{r.secret, url.QueryEscape(r.secret), quoted[1 : len(quoted)-1]} {
			text = hide(text, form)
		}
	}
	text = credentials().ReplaceAllString(text, "$1[key]")
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return -1
		}
		return c
	}, text)
	return strings.TrimSpace(clip(text, maxWords))
}

// hide replaces a secret. A short one is replaced only where it is a word, so that text stays readable.
func hide(text, secret string) string {
	if len(secret) >= 8 {
		return strings.ReplaceAll(text, secret, "[key]")
	}
	word := regexp.MustCompile(`(^|[^A-Za-z0-9_-])` + regexp.QuoteMeta(secret) + `($|[^A-Za-z0-9_-])`)
	return word.ReplaceAllString(text, "${1}[key]${2}")
}

// clip returns words, or at most their first n bytes and an ellipsis, cut between characters.
func clip(words string, n int) string {
	if beginning := text.Cut(words, n); beginning != words {
		return beginning + "..."
	}
	return words
}
