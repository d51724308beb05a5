package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// refDecode reads exactly one JSON value. What encoding/json lets pass, and two readers of the same
// bytes might understand differently, is a RequestError: invalid UTF-8, lone surrogates, a name twice in one
// object, bytes after the value; and so is nesting deeper than maxDepth. Numbers are json.Number, whole
// ones written as integers (1e2 is 100).
func refDecode(data []byte, maxDepth int) (any, *RequestError) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, refSyntaxError(err)
	}
	d := &refReader{Decoder: json.NewDecoder(bytes.NewReader(data)), data: data, maxDepth: maxDepth}
	d.UseNumber()
	value := d.value(nil)
	return value, d.fault
}

func refSyntaxError(err error) *RequestError {
	message := "The request body is not valid JSON."
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		if strings.Contains(err.Error(), "after top-level value") {
			message = "The request body must be one JSON value with nothing after it."
		} else {
			message = "The request body is not valid JSON (near byte " + strconv.FormatInt(syntax.Offset, 10) + ")."
		}
	}
	return &RequestError{Param: wholeBody, Message: message}
}

// jsonReader walks the tokens of valid JSON and keeps the first fault it meets.
type refReader struct {
	*json.Decoder
	data     []byte
	maxDepth int
	fault    *RequestError
}

func (d *refReader) value(at refPath) any {
	if len(at) >= d.maxDepth {
		d.fail(nil, "The request body must not be nested deeper than "+strconv.Itoa(d.maxDepth)+" levels.")
		return nil
	}
	switch token := d.token(at).(type) {
	case json.Delim:
		if token == '{' {
			return d.object(at)
		}
		return d.array(at)
	case json.Number:
		return refCanonical(token)
	default:
		return token
	}
}

func (d *refReader) object(at refPath) any {
	object := map[string]any{}
	for d.More() && d.fault == nil {
		name, _ := d.token(at).(string)
		if d.fault != nil {
			break
		}
		if _, twice := object[name]; twice {
			d.fail(at.key(name), "Field '"+at.key(name).outer().param()+"' occurs twice.")
			break
		}
		object[name] = d.value(at.key(name))
	}
	d.end()
	return object
}

func (d *refReader) array(at refPath) any {
	array := []any{}
	for d.More() && d.fault == nil {
		array = append(array, d.value(at.index(len(array))))
	}
	d.end()
	return array
}

// end consumes the delimiter that closes an object or an array.
func (d *refReader) end() {
	if d.fault == nil {
		_, _ = d.Token()
	}
}

// token returns the next token, after checking its bytes when it is a string.
func (d *refReader) token(at refPath) json.Token {
	start := d.InputOffset()
	token, err := d.Token()
	if err != nil {
		d.fail(nil, "The request body is not valid JSON.")
		return nil
	}
	if _, isText := token.(string); isText {
		raw := d.data[start:d.InputOffset()]
		if !utf8.Valid(raw) || refLoneSurrogate(raw) {
			d.fail(at, at.outer().field()+" must be valid UTF-8.")
			return nil
		}
	}
	return token
}

func (d *refReader) fail(at refPath, message string) {
	if d.fault == nil {
		d.fault = &RequestError{Param: at.outer().param(), Message: message}
	}
}

// refLoneSurrogate reports whether a JSON string has a \u escape that is half of a surrogate pair.
func refLoneSurrogate(raw []byte) bool {
	unit := func(i int) (rune, bool) {
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0, false
		}
		u, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		return rune(u), err == nil
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		first, ok := unit(i)
		switch {
		case !ok:
			i++ // a two-byte escape such as \\ or \"
		case !utf16.IsSurrogate(first):
			i += 5
		default:
			second, _ := unit(i + 6)
			if utf16.DecodeRune(first, second) == utf8.RuneError {
				return true
			}
			i += 11
		}
	}
	return false
}

// refCanonical writes a whole number as an integer, so that an integer field may be sent as 100.0.
func refCanonical(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return n
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}
