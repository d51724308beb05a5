package contract

import "strings"

// Find returns the operation at a path, which is relative to a server URL and percent-encoded as sent, and the
// pathParam function for CheckRequest; nil when the contract has no operation there. It is for programs
// without a router, such as clients and proxies.
func (c *Contract) Find(method, path string) (*Operation, func(name string) string) {
	segments := strings.Split(path, "/")
	var found *Operation
	most := -1
	for _, o := range c.operations {
		if literal, ok := o.fits(segments); ok && o.Method == method && literal > most {
			found, most = o, literal
		}
	}
	if found == nil {
		return nil, nil
	}
	return found, func(name string) string {
		for i, segment := range found.segments {
			if segment == "{"+name+"}" {
				return segments[i]
			}
		}
		return ""
	}
}

// FindBelow is Find for a path that begins with that of a server URL. No id is the name of a collection, so the shortest end
// of the path that belongs to an operation is the right one.
func (c *Contract) FindBelow(method, path string) (*Operation, func(name string) string) {
	for slash := strings.LastIndexByte(path, '/'); slash >= 0; slash = strings.LastIndexByte(path[:slash], '/') {
		if op, pathParam := c.Find(method, path[slash:]); op != nil {
			return op, pathParam
		}
	}
	return nil, nil
}

// fits reports whether a path matches the operation's template, and how many segments match literally.
func (o *Operation) fits(path []string) (literal int, ok bool) {
	if len(path) != len(o.segments) {
		return 0, false
	}
	for i, segment := range o.segments {
		switch {
		case segment == path[i]:
			literal++
		case !strings.HasPrefix(segment, "{") || path[i] == "":
			return 0, false
		}
	}
	return literal, true
}
