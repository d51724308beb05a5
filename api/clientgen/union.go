package main

import "path"

// union is a schema whose variants a discriminator tells apart.
type union struct {
	*schema
	Variants []variant
}

// variant is what a union may hold: a schema, and the discriminator's value for it.
type variant struct{ Value, Name string }

// union returns a schema as a union.
func (s *schema) union() union {
	u := union{schema: s}
	for value, ref := range s.Discriminator.Mapping.all {
		u.Variants = append(u.Variants, variant{value, path.Base(ref)})
	}
	return u
}

// Names are the names of the variants.
func (u union) Names() (names []string) {
	for _, v := range u.Variants {
		names = append(names, v.Name)
	}
	return names
}

// Property is the discriminator.
func (u union) Property() string { return u.Discriminator.Property }

// Field is the Go field of the discriminator.
func (u union) Field() string { return camel(u.Property()) }

// constants are a type whose values are those of a union's discriminator.
type constants struct {
	*schema
	Of union
}

// wireTypes is what package gen/types has that oapi-codegen does not write.
type wireTypes struct {
	Unions    []union
	Errors    []*schema // whose values are errors
	Constants []constants
}

func (d *document) wireTypes() (w wireTypes) {
	for _, s := range d.Components.Schemas.all {
		switch {
		case s.Discriminator.Property != "":
			w.Unions = append(w.Unions, s.union())
		case s.GoError:
			w.Errors = append(w.Errors, s)
		case s.GoConstants != "":
			w.Constants = append(w.Constants, constants{s, d.named(s.GoConstants).union()})
		}
	}
	return w
}
