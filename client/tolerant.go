package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// unmarshal decodes JSON of a server. It accepts what other servers of this API send where the contract has a string: an
// object with the string as its id, such as {"id": "ultimate"} for the model of an agent. It stands before the contract's
// types, for everything that a server sends except errors, so that a record is read the same alone, in a list, in another
// record and in an event.
func unmarshal(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok || mismatch.Value != "object" || mismatch.Type.Kind() != reflect.String {
		return err
	}
	return json.Unmarshal(shortened(data, reflect.TypeOf(into)), into)
}

// shortened returns JSON for a type in which the id stands for each object where the type has a string. What a type decodes
// by itself, such as a union or an event, is unchanged.
func shortened(data json.RawMessage, t reflect.Type) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return data
	}
	switch t.Kind() {
	case reflect.String:
		var long struct {
			ID *string `json:"id"`
		}
		if json.Unmarshal(data, &long) == nil && long.ID != nil {
			return encoded(*long.ID)
		}
	case reflect.Slice:
		var list []json.RawMessage
		if json.Unmarshal(data, &list) == nil && list != nil {
			for i := range list {
				list[i] = shortened(list[i], t.Elem())
			}
			return encoded(list)
		}
	case reflect.Map:
		return shortenedFields(data, func(string) reflect.Type { return t.Elem() })
	case reflect.Struct:
		types := map[string]reflect.Type{}
		for _, field := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			types[name] = field.Type
		}
		return shortenedFields(data, func(name string) reflect.Type { return types[name] })
	}
	return data
}

// shortenedFields is shortened for an object, whose fields have the types that typeOf returns; nil for a field that is not
// decoded.
func shortenedFields(data json.RawMessage, typeOf func(name string) reflect.Type) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields == nil {
		return data
	}
	for name, field := range fields {
		if t := typeOf(name); t != nil {
			fields[name] = shortened(field, t)
		}
	}
	return encoded(fields)
}

// encoded returns v, which consists of strings and JSON, as JSON.
func encoded(v any) json.RawMessage {
	data, _ := json.Marshal(v) // what was JSON can be written as JSON
	return data
}

// firstID returns the id of the record that a response has, or the beginning of one; "" without an id.
func firstID(body []byte) string {
	dec := json.NewDecoder(bytes.NewReader(body))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return ""
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return ""
		}
		if name == "id" {
			var id string
			_ = dec.Decode(&id) // what is not a text is not an id
			return id
		}
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			return ""
		}
	}
	return ""
}
