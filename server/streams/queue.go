package streams

// queue is the streams that are to be served. The accounts take turns, so that one with thousands of streams does not delay
// the others; the streams of an account are served in the order in which they came. The zero value is empty.
type queue struct {
	turns     []*line // the accounts with streams that wait, the next one first
	byAccount map[string]*line
}

// line is the streams of an account that wait.
type line struct {
	account string
	streams []*stream
}

// push adds a stream.
func (q *queue) push(s *stream) {
	l := q.byAccount[s.Account]
	if l == nil {
		l = &line{account: s.Account}
		if q.byAccount == nil {
			q.byAccount = map[string]*line{}
		}
		q.byAccount[s.Account] = l
		q.turns = append(q.turns, l)
	}
	l.streams = append(l.streams, s)
}

// pop removes the stream that is next; nil for none.
func (q *queue) pop() *stream {
	if len(q.turns) == 0 {
		return nil
	}
	l := q.turns[0]
	s := l.streams[0]
	l.streams[0] = nil
	l.streams = l.streams[1:]
	switch {
	case len(l.streams) == 0:
		delete(q.byAccount, l.account)
		q.turns = q.turns[1:]
	case len(q.turns) > 1:
		q.turns = append(q.turns[1:], l)
	}
	return s
}
