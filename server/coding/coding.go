// Package coding reads what a caller accepts: codings and media types.
package coding

import (
	"iter"
	"strconv"
	"strings"
)

// AcceptsGzip reports whether a caller with these Accept-Encoding headers accepts gzip (RFC 9110, section 12.5.3): by name,
// or as any coding, unless the weight is zero. A caller without the header gets no coding: it may know none.
func AcceptsGzip(headers []string) bool {
	named, others := -1.0, -1.0 // the weights; negative for none
	for name, weight := range weights(headers) {
		switch name {
		case "gzip", "x-gzip":
			named = weight
		case "*":
			others = weight
		}
	}
	if named >= 0 {
		return named > 0
	}
	return others > 0
}

// Names reports whether Accept headers name a media type, in lower case, with a weight above zero (RFC 9110, section 12.5.1).
// A range such as */* names none.
func Names(headers []string, media string) bool {
	for name, weight := range weights(headers) {
		if name == media && weight > 0 {
			return true
		}
	}
	return false
}

// weights returns the elements of the headers, in lower case, with their weights: 1 without one, 0 for one that is not a number.
func weights(headers []string) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for element := range strings.SplitSeq(strings.ToLower(strings.Join(headers, ",")), ",") {
			name, params, _ := strings.Cut(element, ";")
			if !yield(strings.TrimSpace(name), weight(params)) {
				return
			}
		}
	}
}

// weight returns the weight among the parameters of an element.
func weight(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.TrimSpace(name) != "q" {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && q >= 0 {
			return q
		}
		return 0
	}
	return 1
}
