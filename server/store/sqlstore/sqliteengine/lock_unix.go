//go:build unix

package sqliteengine

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock locks a file without waiting: errLocked when it is locked already. The lock belongs to the open file, not to the
// process, and reading and writing ignore it.
func lock(file *os.File) error {
	for {
		switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return errLocked
		default:
			return err
		}
	}
}

func unlock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_UN) }
