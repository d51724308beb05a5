package client

import "github.com/oapi-codegen/nullable"

// Value makes a field of an update that may be null hold v.
func Value[T any](v T) Nullable[T] { return nullable.NewNullableWithValue(v) }

// Null makes a field of an update null, which clears it; a field that is left out keeps its value.
func Null[T any]() Nullable[T] { return nullable.NewNullNullable[T]() }
