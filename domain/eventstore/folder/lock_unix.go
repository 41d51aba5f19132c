//go:build unix

package folder

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks a file for this process, until it is closed or the process ends. False: another one has it.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}
