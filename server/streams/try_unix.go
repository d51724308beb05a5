//go:build unix

package streams

import "syscall"

// try writes as much as the connection accepts at once.
func (s *stream) try(text []byte) (n int, err error) {
	if s.raw == nil {
		return 0, nil
	}
	refused := s.raw.Write(func(fd uintptr) (done bool) {
		for n < len(text) {
			wrote, failed := syscall.Write(int(fd), text[n:])
			switch failed {
			case nil:
				n += wrote
			case syscall.EINTR:
			case syscall.EAGAIN:
				return true
			default:
				err = failed
				return true
			}
		}
		return true
	})
	if err == nil {
		err = refused
	}
	return n, err
}
