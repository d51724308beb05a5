package streams

// Busy reports whether a stream is being served, or waits for that.
func (w *Writers) Busy() bool {
	for _, s := range w.beats.all() {
		s.mu.Lock()
		busy := s.state != resting
		s.mu.Unlock()
		if busy {
			return true
		}
	}
	return false
}
