package client

import "github.com/oapi-codegen/nullable"

// Nullable is a field of an update that may be null: [Set] sets it, [Clear] clears it, and the zero value leaves it
// unchanged.
type Nullable[T any] = nullable.Nullable[T]

// Set returns a field of an update that sets it to v.
func Set[T any](v T) Nullable[T] { return nullable.NewNullableWithValue(v) }

// Clear returns a field of an update that clears it. A field that is left out keeps its value.
func Clear[T any]() Nullable[T] { return nullable.NewNullNullable[T]() }
