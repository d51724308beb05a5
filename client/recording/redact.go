package recording

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/redact"
)

// Redacted takes the place of secrets.
const Redacted = redact.Redacted

// Redactor removes secrets: the headers and the parameters in URLs whose names say that they are secrets, and the properties
// that the contract marks as such. A nil Redactor removes none.
type Redactor struct {
	secrets map[string][]string // the names of properties by operationId; "" is for requests outside of the contract
}

// NewRedactor returns what removes the secrets of the contract that this module was built with.
func NewRedactor() (*Redactor, error) {
	c, err := contract.Load()
	if err != nil {
		return nil, err
	}
	return &Redactor{secrets: c.SecretsByOperation()}, nil
}

// Header returns a header without secrets. Of an Authorization it keeps the scheme.
func (r *Redactor) Header(h http.Header) http.Header {
	clean := http.Header{}
	for name, values := range h {
		for _, value := range values {
			switch {
			case r == nil:
			case redact.IsName(name):
				scheme, _, found := strings.Cut(value, " ")
				value = Redacted
				if found && strings.HasSuffix(strings.ToLower(name), "authorization") {
					value = scheme + " " + Redacted
				}
			default:
				value = r.Text(value)
			}
			clean[name] = append(clean[name], value)
		}
	}
	return clean
}

// Text returns a text without the secrets in its URLs, such as signatures.
func (r *Redactor) Text(text string) string {
	if r == nil {
		return text
	}
	return redact.Text(text)
}

// JSON returns a JSON text without the secrets of an operation, and without white space between its tokens.
func (r *Redactor) JSON(operation string, data []byte) []byte {
	var lines bytes.Buffer
	w := newJSONWriter(&lines, r, operation)
	w.write(data)
	w.end()
	return joinJSON(lines.Bytes())
}

// properties returns the names of the secrets of an operation.
func (r *Redactor) properties(operation string) []string {
	if r == nil {
		return nil
	}
	return r.secrets[operation]
}

// joinJSON returns the JSON text of lines, without white space between its tokens.
func joinJSON(lines []byte) []byte {
	var text []byte
	inside, escaped := false, false
	for _, c := range lines {
		if c == '\n' || !inside && c == ' ' {
			continue
		}
		text = append(text, c)
		if c == '"' && !escaped {
			inside = !inside
		}
		escaped = inside && c == '\\' && !escaped
	}
	return text
}
