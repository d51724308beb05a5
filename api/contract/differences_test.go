package contract

import (
	"math"
	"strconv"
	"strings"
)

// difference is a known and intended difference between this package and the oracle.
type difference struct {
	reason string
	// explains reports whether it is the reason for these two errors about a text or a parameter's value; nil is no error.
	explains func(sent string, kin, own *RequestError) bool
}

// differences returns all differences for JSON texts.
func differences() []difference {
	return []difference{
		{"kin-openapi accepts integers that exceed int64, or that have the same float64 as a neighbour; " +
			"the generated code could not read them, or would read others",
			func(sent string, kin, own *RequestError) bool { return own != nil && hasInexactInteger(sent) }},
		{"kin-openapi accepts second 60; Go's time package, and with it the generated code, does not",
			func(sent string, kin, own *RequestError) bool {
				return own != nil && strings.Contains(own.Message, "RFC 3339") && strings.Contains(sent, ":60")
			}},
		{"kin-openapi compares items of a wrong type as well; here such an item is the mistake itself",
			func(sent string, kin, own *RequestError) bool {
				return kin != nil && own != nil && strings.HasSuffix(kin.Message, "the same item twice.") &&
					strings.HasPrefix(own.Param, strings.TrimPrefix(kin.Param, wholeBody)+"[")
			}},
		{"encoding/json reports a text of more than 10,000 levels as invalid; here it is nested too deep",
			func(sent string, kin, own *RequestError) bool {
				return own != nil && strings.Contains(own.Message, "nested deeper") && strings.Count(sent, "[")+strings.Count(sent, "{") > 10_000
			}},
	}
}

// parameterDifferences returns all differences for parameters.
func parameterDifferences() []difference {
	return []difference{
		{"kin-openapi accepts what strconv.ParseBool accepts: 1, t, TRUE; the contract says true or false",
			func(sent string, kin, own *RequestError) bool {
				_, err := strconv.ParseBool(sent)
				return kin == nil && own != nil && err == nil
			}},
		{"kin-openapi accepts numbers that are not JSON: +1, .5, 01",
			func(sent string, kin, own *RequestError) bool {
				c := cursor{data: sent}
				c.number()
				return kin == nil && own != nil && (c.broken || c.pos < len(sent))
			}},
		{"kin-openapi reports the complete array for an item of a wrong type; here the item is reported",
			func(sent string, kin, own *RequestError) bool {
				return kin != nil && own != nil && strings.Contains(kin.Message, "an array")
			}},
		{"kin-openapi reports an empty value as missing without the schema; here it is a value like any other",
			func(sent string, kin, own *RequestError) bool { return sent == "" && kin != nil }},
		{"kin-openapi accepts bytes that are not UTF-8, and NUL, where no pattern excludes them",
			func(sent string, kin, own *RequestError) bool { return kin == nil && own != nil && notText(sent) }},
	}
}

// hasInexactInteger reports whether a text has a number of 2^53 or more that integer does not accept.
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
