package natsstore

import (
	"os"

	"golang.org/x/sys/unix"
)

// barrierNote says what the barrier is worth where it is not the best there is; here it is.
const barrierNote = ""

// openBarrier returns a function that makes everything durable that was written to the file system of a folder. The folder
// stays open, so that a write-back error between two runs is reported by the next.
func openBarrier(dir string) (run func() error, closeDir func() error, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd()))) }, f.Close, nil
}
