package main

import "path"

// union is a schema whose variants a discriminator tells apart.
type union struct {
	Name     string
	Schema   *schema
	Property string
	Variants []variant
}

// variant is what a union may hold.
type variant struct {
	Value string // of the discriminator; the last one when the variant has several
	Name  string // of its schema, and of its Go type
}

// Unions lists the unions of the contract.
func (d *document) Unions() (all []union) {
	for name, s := range d.Components.Schemas.all {
		if s.Discriminator.Property != "" {
			all = append(all, union{name, s, s.Discriminator.Property, s.variants()})
		}
	}
	return all
}

func (s *schema) variants() (all []variant) {
	for value, ref := range s.Discriminator.Mapping.all {
		all = append(all, variant{value, path.Base(ref)})
	}
	return all
}

// VariantsOf returns the variants of a union by its name.
func (d *document) VariantsOf(name string) []variant {
	return d.Components.Schemas.values[name].variants()
}

// Names are the names of the variants.
func (u union) Names() (names []string) {
	for _, v := range u.Variants {
		names = append(names, v.Name)
	}
	return names
}

// Field is the Go field of the discriminator.
func (u union) Field() string { return camel(u.Property) }

// Errors lists the schemas whose values are errors.
func (d *document) Errors() []*schema { return d.where(func(s *schema) bool { return s.GoError }) }

// ConstantTypes lists the schemas whose values are those of a union's discriminator.
func (d *document) ConstantTypes() []*schema {
	return d.where(func(s *schema) bool { return s.GoConstants != "" })
}

// where returns the component schemas that satisfy a condition.
func (d *document) where(is func(*schema) bool) (all []*schema) {
	for _, s := range d.Components.Schemas.all {
		if is(s) {
			all = append(all, s)
		}
	}
	return all
}
