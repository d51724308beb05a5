package broker

// Kept returns how many sessions' topics and messages in the making the broker holds in memory.
func (b *Broker) Kept() (topics, drafts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.topics), len(b.drafts)
}

// Framed returns the frame of an event with that data.
func Framed(id, kind string, data []byte) Frame {
	text := appendHead(nil, id, kind)
	at := len(text)
	return finished(append(text, data...), at)
}
