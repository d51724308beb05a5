package sqliteengine

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// region is the part of a file that is locked. It lies far behind the content, since locks bar reading and writing.
func region() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1 << 30} }

// lock locks a file without waiting: errLocked when it is locked already.
func lock(file *os.File) error {
	err := windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, region())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

func unlock(file *os.File) error {
	return windows.UnlockFileEx(windows.Handle(file.Fd()), 0, 1, 0, region())
}
