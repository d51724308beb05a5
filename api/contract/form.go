package contract

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// TakesForm reports whether the operation has a request body of multipart/form-data. CheckRequest validates only the
// headers of such a request: the operation reads the parts as they come, and validates them by CheckPart and CheckForm.
func (o *Operation) TakesForm() bool { return o.rules.Form != nil }

const notForm = "Header 'Content-Type' must be multipart/form-data with a boundary."

// checkFormHead validates the headers of a form.
func checkFormHead(header http.Header) error {
	media, params, err := mime.ParseMediaType(contentType(header))
	if err != nil || media != formType || params["boundary"] == "" {
		return &RequestError{Param: "Content-Type", Message: notForm}
	}
	if !isIdentity(header) {
		return encodedBody()
	}
	return nil
}

// encodedBody is the error of a body with a Content-Encoding.
func encodedBody() *RequestError {
	return &RequestError{Status: http.StatusUnsupportedMediaType, Param: "Content-Encoding", Message: encoded}
}

// CheckPart returns a *RequestError for the name of a part that the form does not have, or nil. binary is whether the
// part holds bytes; any other part is a text.
func (o *Operation) CheckPart(name string) (binary bool, err error) {
	at := o.rules.Form.Position(name)
	if !o.rules.Form.HasName(at) {
		return false, &RequestError{Param: param(name), Message: "The form has no part of that name; its parts are " + o.partNames() + "."}
	}
	return o.rules.Form.At(at).Format == rules.Binary, nil
}

// param returns a name that callers choose as a param, which has a bounded length.
func param(name string) string {
	const most = 64
	if name == "" || len(name) > most || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return wholeBody
	}
	return name
}

// partNames lists the parts of the form.
func (o *Operation) partNames() string {
	names := make([]string, len(o.rules.Form.Properties))
	for i, p := range o.rules.Form.Properties {
		names[i] = "'" + p.Name + "'"
	}
	return strings.Join(names, ", ")
}

// CheckForm validates the parts of a form, the text of each by its name; a binary part has any text. It returns them as a
// JSON object with defaults added, or a *RequestError. A part whose schema is not that of a string is JSON.
func (o *Operation) CheckForm(parts map[string]string) ([]byte, error) {
	var object strings.Builder
	object.WriteByte('{')
	for _, p := range o.rules.Form.Properties {
		text, sent := parts[p.Name]
		if !sent {
			continue
		}
		if !utf8.ValidString(text) {
			return nil, &RequestError{Param: p.Name, Message: "Part '" + p.Name + "' must be text in UTF-8."}
		}
		value := []byte(text)
		if p.Schema.Kind == rules.String {
			value, _ = json.Marshal(text) // a string always marshals
		} else if m := check(nil, text, o.limits.JSONDepth); m != nil {
			return nil, &RequestError{Param: p.Name, Message: "Part '" + p.Name + "' must be JSON."}
		}
		if object.Len() > 1 {
			object.WriteByte(',')
		}
		object.WriteString(p.Sent)
		object.Write(value)
	}
	object.WriteByte('}')
	w := walker{cursor: cursor{data: object.String()}, maxDepth: o.limits.JSONDepth, sent: true, fill: true}
	if m := w.check(o.rules.Form); m != nil {
		return nil, m.requestError()
	}
	return []byte(w.edited()), nil
}
