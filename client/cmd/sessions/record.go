package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/gen/types"
)

// sameFields are fields of records that have the same value as another, by their name.
var sameFields = map[string]string{"instructions": "system"}

// dropRecordFields removes from a document what the record of the type has and the request of the type in does not
// set, such as created_at, so that what a get command prints is a request. It returns the paths of what it has removed,
// sorted. What neither type has stays, as does everything in a document that is not a record.
func dropRecordFields(doc map[string]any, in, record reflect.Type) []string {
	dropped := map[string]bool{}
	dropFields(doc, in, record, "", dropped)
	for name, same := range sameFields {
		if len(dropped) > 0 && doc[name] != nil && doc[name] == doc[same] {
			delete(doc, name) // so that a change of the other is not in conflict with it
		}
	}
	return slices.Sorted(maps.Keys(dropped))
}

func dropFields(value any, in, record reflect.Type, path string, dropped map[string]bool) {
	in, record = concrete(in, value), concrete(record, value)
	if in == record {
		return
	}
	switch value := value.(type) {
	case []any:
		if in.Kind() == reflect.Slice && record.Kind() == reflect.Slice {
			for _, element := range value {
				dropFields(element, in.Elem(), record.Elem(), path+"[]", dropped)
			}
		}
	case map[string]any:
		if in.Kind() != reflect.Struct || record.Kind() != reflect.Struct {
			return
		}
		set, shown := fieldTypes(in), fieldTypes(record)
		for key, inner := range value {
			at := strings.TrimPrefix(path+"."+key, ".")
			switch {
			case shown[key] == nil:
			case set[key] != nil:
				dropFields(inner, set[key], shown[key], at, dropped)
			default:
				delete(value, key)
				dropped[at] = true
			}
		}
	}
}

// fieldTypes returns the fields of a struct by their names in JSON.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = field.Type
		}
	}
	return fields
}

// concrete returns the type that a value of the type t has: what a pointer points to, and one of those of a union.
func concrete(t reflect.Type, value any) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return t
	}
	isFile := object["type"] == "file"
	switch {
	case t == reflect.TypeFor[client.AgentRef]():
		return reflect.TypeFor[types.PinnedAgent]()
	case t == reflect.TypeFor[client.SessionResourceInput]() && isFile:
		return reflect.TypeFor[client.FileResourceInput]()
	case t == reflect.TypeFor[client.SessionResourceInput]():
		return reflect.TypeFor[client.MemoryStoreResourceInput]()
	case t == reflect.TypeFor[client.SessionResource]() && isFile:
		return reflect.TypeFor[client.FileResource]()
	case t == reflect.TypeFor[client.SessionResource]():
		return reflect.TypeFor[client.MemoryStoreResource]()
	}
	return t
}
