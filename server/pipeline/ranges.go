package pipeline

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteRanges returns the header Range of a GET as http.ServeContent has to see it for a content of that many bytes, or ""
// to ignore the header (RFC 9110, section 14). It mends what http.ServeContent does not know:
//
//   - ranges of another unit than bytes, and ranges of an empty content, are ignored; a unit has any letter case;
//   - the last 0 bytes of a content cannot be satisfied;
//   - a position may be larger than any content is.
func byteRanges(header string, size int64) string {
	unit, set, _ := strings.Cut(header, "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") || size == 0 {
		return ""
	}
	specs := strings.Split(set, ",")
	for i, spec := range specs {
		first, last, isRange := strings.Cut(strings.TrimSpace(spec), "-")
		if !isRange {
			continue // http.ServeContent refuses it
		}
		if first = position(first); first == "" && position(last) == "0" {
			first, last = strconv.FormatInt(size, 10), "" // after the end, which cannot be satisfied either
		}
		specs[i] = first + "-" + position(last)
	}
	return "bytes=" + strings.Join(specs, ",")
}

// position returns a position of a range in the shortest form, within the numbers that http.ServeContent reads. What is not
// a number is unchanged.
func position(text string) string {
	n, err := strconv.ParseUint(text, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		n = math.MaxInt64
	case err != nil:
		return text
	}
	return strconv.FormatUint(n, 10)
}
