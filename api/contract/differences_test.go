package contract

import (
	"math"
	"strconv"
	"strings"
)

// difference is one known and intended way in which this package and kin-openapi, behind encoding/json,
// disagree.
type difference struct {
	reason string
	// explains reports whether it is why a text, or a parameter's value, gets these two errors. nil is none.
	explains func(sent string, kin, own *RequestError) bool
}

// differences is the whole list for JSON texts.
func differences() []difference {
	return []difference{
		{"kin-openapi takes integers that do not fit int64, or that a float64 cannot tell from their neighbours; " +
			"the generated code could not read them, or would read others",
			func(sent string, kin, own *RequestError) bool { return own != nil && hasInexactInteger(sent) }},
		{"kin-openapi takes second 60; Go's time package, and so the generated code, does not",
			func(sent string, kin, own *RequestError) bool {
				return own != nil && strings.Contains(own.Message, "RFC 3339") && strings.Contains(sent, ":60")
			}},
		{"kin-openapi holds items of a wrong type against one another, too; here such an item is the mistake itself",
			func(sent string, kin, own *RequestError) bool {
				return kin != nil && own != nil && strings.HasSuffix(kin.Message, "the same item twice.") &&
					strings.HasPrefix(own.Param, strings.TrimPrefix(kin.Param, wholeBody)+"[")
			}},
		{"encoding/json calls a text of more than 10,000 levels invalid; here it is nested too deep",
			func(sent string, kin, own *RequestError) bool {
				return own != nil && strings.Contains(own.Message, "nested deeper") && strings.Count(sent, "[")+strings.Count(sent, "{") > 10_000
			}},
	}
}

// parameterDifferences is the whole list for parameters.
func parameterDifferences() []difference {
	return []difference{
		{"kin-openapi takes what strconv.ParseBool takes: 1, t, TRUE; the contract says true or false",
			func(sent string, kin, own *RequestError) bool {
				_, err := strconv.ParseBool(sent)
				return kin == nil && own != nil && err == nil
			}},
		{"kin-openapi takes numbers that JSON does not write that way: +1, .5, 01",
			func(sent string, kin, own *RequestError) bool {
				c := cursor{data: sent}
				c.number()
				return kin == nil && own != nil && (c.broken || c.pos < len(sent))
			}},
		{"kin-openapi blames the whole array for an item that is no value of its type; here the item's schema has the word",
			func(sent string, kin, own *RequestError) bool {
				return kin != nil && own != nil && strings.Contains(kin.Message, "an array")
			}},
		{"kin-openapi calls an empty value missing before it asks the schema; here it is a value like any other",
			func(sent string, kin, own *RequestError) bool { return sent == "" && kin != nil }},
	}
}

// hasInexactInteger reports whether a text has a number of 2^53 or more that integer does not take.
func hasInexactInteger(sent string) bool {
	isPart := func(r rune) bool { return strings.ContainsRune("+-.0123456789eE", r) }
	for _, token := range strings.FieldsFunc(sent, func(r rune) bool { return !isPart(r) }) {
		f, err := strconv.ParseFloat(token, 64)
		_, ok := integer(token, !strings.ContainsAny(token, ".eE"))
		if err == nil && math.Abs(f) >= 1<<53 && !ok {
			return true
		}
	}
	return false
}
