package contract

import (
	"slices"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// nameSet is a set of strings that allocates nothing while it is empty and little while it is small.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

// fewNames is the size up to which comparing with all names is faster than hashing.
const fewNames = 16

// add adds a string and reports whether it is new.
func (s *nameSet) add(name string) bool {
	if s.many != nil {
		before := len(s.many)
		s.many[name] = struct{}{}
		return len(s.many) > before
	}
	if slices.Contains(s.few, name) {
		return false
	}
	if len(s.few) < fewNames {
		s.few = append(s.few, name)
		return true
	}
	s.many = make(map[string]struct{}, 2*fewNames)
	for _, old := range s.few {
		s.many[old] = struct{}{}
	}
	s.many[name] = struct{}{}
	return true
}

// metNames are the names read so far in one object.
type metNames struct {
	named  uint64 // bit i for Properties[i]
	others nameSet
}

// again adds a name, with its position by Schema.Position, and reports whether it was there already.
func (m *metNames) again(s *rules.Schema, position int, name string) bool {
	if !s.HasName(position) {
		return !m.others.add(name)
	}
	bit := uint64(1) << position
	again := m.named&bit != 0
	m.named |= bit
	return again
}
