// Package coding reads which content codings a caller accepts.
package coding

import (
	"strconv"
	"strings"
)

// AcceptsGzip reports whether a caller with these Accept-Encoding headers accepts gzip (RFC 9110, section 12.5.3): by name,
// or as any coding, unless the weight is zero. A caller without the header gets no coding: it may know none.
func AcceptsGzip(headers []string) bool {
	named, others := -1.0, -1.0 // the weights; negative for none
	for _, header := range headers {
		for coding := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(coding, ";")
			weight := 1.0
			if q, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); found {
				var err error
				if weight, err = strconv.ParseFloat(q, 64); err != nil {
					weight = 0
				}
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip":
				named = weight
			case "*":
				others = weight
			}
		}
	}
	if named >= 0 {
		return named > 0
	}
	return others > 0
}
