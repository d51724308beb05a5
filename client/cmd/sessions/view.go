package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// views are the views by hand. They are made once: every command looks for its own among them.
var views = sync.OnceValue(func() []any {
	return []any{
		sessionView(), sessionResourceView(), eventView(), agentView(), environmentView(), fileView(), memoryStoreView(), memoryView(),
		memoryItemView(), vaultView(), credentialView(), validationView(),
	}
})

// viewOf returns the view by hand of a type of record, or its plain view.
func viewOf[T any]() view[T] {
	for _, v := range views() {
		if v, ok := v.(view[T]); ok {
			return v
		}
	}
	return plainView[T]()
}

// plainView shows the fields that hold a text, a number, a boolean or a time, in their order. It leaves out the field type,
// which is the same for all records of a kind. Lists have no secrets, and not the environment, which their commands name.
func plainView[T any]() view[T] {
	v := view[T]{id: func(*T) string { return "" }}
	for field := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "type" || !isPlain(field.Type) {
			continue
		}
		value := func(record *T) reflect.Value { return reflect.ValueOf(record).Elem().FieldByIndex(field.Index) }
		c := column[T]{name: strings.ToUpper(strings.ReplaceAll(strings.TrimSuffix(name, "_at"), "_", " ")), detail: slices.Contains([]string{"secret", "key", "environment_id"}, name)}
		if isTime(field.Type) {
			c.at = func(record *T) *time.Time { return timeOf(value(record)) }
		} else {
			c.text = func(record *T) string { return plainText(value(record)) }
		}
		if name == "id" {
			v.id = c.text
		}
		v.columns = append(v.columns, c)
	}
	return v
}

// isTime reports whether a type is a time that may be missing.
func isTime(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[*time.Time]()
}

// timeOf returns the time that a value is, nil for none.
func timeOf(v reflect.Value) *time.Time {
	if t, ok := v.Interface().(*time.Time); ok {
		return t
	}
	return new(v.Interface().(time.Time))
}

// isPlain reports whether a column shows values of a type.
func isPlain(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return true
	}
	return isTime(t)
}

// plainText writes a value for a table, "" for none.
func plainText(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}
