package contractdrift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/client/recording"
)

const (
	// longestPath bounds the paths of fields, in bytes. What is deeper is not compared.
	longestPath = 1 << 10
	// maxFields is about how many bytes the fields of a recording may take, and fieldSize is what one takes without its path.
	maxFields = 64 << 20
	fieldSize = 256
)

// shapes are the operations of a recording by their names.
type shapes map[string]*shape

// shape is what requests and responses of an operation look like.
type shape struct {
	room     *int // bytes that fields may take yet; negative when there was too little
	request  fields
	statuses map[int]*responseShape
	maps     []string // the names of the properties whose content is not looked at
}

type responseShape struct {
	headers map[string]bool
	body    fields
	events  map[string]fields
}

// fields are the values of JSON texts by their paths, such as data[](agent.message).content: the kind of an object, which its
// property type names, is part of the path of what is in it. "body" is the text as a whole.
type fields map[string]*field

type field struct {
	parent string // what seen returned for the object or the array that it is in
	types  map[string]bool
	kinds  map[string]bool // of an object
}

// seen notes that there was an object, or an array that was not empty, at a path with its bracket. It is not a field.
func (s *shape) seen(to fields, path string) string {
	if to[path] == nil {
		*s.room -= len(path) + fieldSize
		to[path] = &field{parent: path}
	}
	return path
}

// typeNames lists the types, except for null.
func (f *field) typeNames() string { return names(f.types) }

// root is the path of a JSON text as a whole.
const root = "body"

// operationOf returns the operation of an exchange; nil outside of the contract.
func operationOf(c *contract.Contract, e *recording.Exchange) (*contract.Operation, func(string) string) {
	u, err := url.Parse(e.Target)
	if err != nil {
		return nil, nil
	}
	method := e.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return c.FindBelow(method, u.EscapedPath())
}

// nameOf is how changes name an operation.
func nameOf(op *contract.Operation, e *recording.Exchange) string {
	switch {
	case op != nil && e.Method == http.MethodHead:
		return "HEAD of " + op.ID
	case op != nil:
		return op.ID
	}
	u, err := url.Parse(e.Target)
	if err != nil {
		return e.Method
	}
	return e.Method + " " + u.EscapedPath()
}

// ignored are headers that say nothing about an API.
var ignored = []string{"Date", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length"}

// shapeOf returns the shapes of a recording. A response decides how many fields it has, so that there is a bound.
func shapeOf(c *contract.Contract, rec *recording.Recording) (shapes, error) {
	all, room := shapes{}, maxFields
	for _, e := range rec.Exchanges {
		op, _ := operationOf(c, e)
		name := nameOf(op, e)
		s := all[name]
		if s == nil {
			s = &shape{room: &room, request: fields{}, statuses: map[int]*responseShape{}}
			if op != nil {
				s.maps = op.Maps()
			}
			all[name] = s
		}
		s.addExchange(e)
		if room < 0 {
			return nil, fmt.Errorf("the recording has more fields than can be compared, in exchange %d; remove the exchange from the file", e.Number)
		}
	}
	return all, nil
}

// addExchange adds a request with its response.
func (s *shape) addExchange(e *recording.Exchange) {
	s.add(s.request, e.RequestHeader, e.RequestBody)
	if e.Status == 0 {
		return
	}
	r := s.statuses[e.Status]
	if r == nil {
		r = &responseShape{headers: map[string]bool{}, body: fields{}, events: map[string]fields{}}
		s.statuses[e.Status] = r
	}
	for header := range e.Header {
		if !slices.Contains(ignored, header) {
			r.headers[header] = true
		}
	}
	s.add(r.body, e.Header, e.Body)
	for _, event := range eventsOf(e) {
		kind := event.Type
		if r.events[kind] == nil {
			r.events[kind] = fields{}
		}
		s.addJSON(r.events[kind], event.Data)
	}
}

// eventsOf returns the events of a stream that are complete.
func eventsOf(e *recording.Exchange) (all []sse.Event) {
	var text bytes.Buffer
	for _, f := range e.Frames {
		text.Write(f.Text)
	}
	for reader := sse.NewReader(&text, recording.MaxFile); ; {
		event, err := reader.Next()
		if err != nil {
			return all
		}
		if len(event.Data) > 0 {
			event.Data = bytes.Clone(event.Data)
			all = append(all, event)
		}
	}
}

// add adds a body, if it is JSON.
func (s *shape) add(to fields, h http.Header, body []byte) {
	if media, _, _ := mime.ParseMediaType(h.Get("Content-Type")); media == "application/json" {
		s.addJSON(to, body)
	}
}

// addJSON adds a JSON text. What is not valid is left out.
func (s *shape) addJSON(to fields, data []byte) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return
	}
	if _, err := decoder.Token(); err != io.EOF {
		return
	}
	s.walk(to, "", root, "", value)
}

// walk adds a value at a path, which is that of a property if name is not "".
func (s *shape) walk(to fields, parent, path, name string, value any) {
	f := to[path]
	if len(path) > longestPath || *s.room < 0 {
		return
	}
	if f == nil {
		*s.room -= len(path) + fieldSize
		f = &field{parent: parent, types: map[string]bool{}, kinds: map[string]bool{}}
		to[path] = f
	}
	switch v := value.(type) {
	case string:
		f.types["string"] = true
	case json.Number:
		f.types["number"] = true
	case bool:
		f.types["boolean"] = true
	case []any:
		f.types["array"] = true
		for _, item := range v {
			s.walk(to, s.seen(to, path+"["), path+"[]", "", item)
		}
	case map[string]any:
		f.types["object"] = true
		if slices.Contains(s.maps, name) {
			return
		}
		inside := path
		if kind, ok := v["type"].(string); ok && len(kind) <= longestPath {
			f.kinds[kind] = true
			inside += "(" + kind + ")"
		}
		seen := s.seen(to, inside+"{")
		for name, item := range v {
			child := inside + "." + name
			if inside == root {
				child = name
			}
			s.walk(to, seen, child, name, item)
		}
	}
}
