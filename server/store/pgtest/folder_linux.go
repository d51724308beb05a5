package pgtest

import "syscall"

// folder returns the folder of files in memory, where PostgreSQL creates the hundreds of files of a database several times
// as fast as on a disk, or "" for a temporary folder if less than 2 GiB are free there: containers often have 64 MiB.
func folder() string {
	const memory = "/dev/shm"
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Bavail*uint64(s.Bsize) < 2<<30 {
		return ""
	}
	return memory
}
