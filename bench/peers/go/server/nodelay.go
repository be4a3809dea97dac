package server

import (
	"os"
	"strconv"
	"syscall"
)

// NoDelay turns TCP_NODELAY on for the connections that this process will accept, on Linux: they inherit it from the
// listening socket. It is for a framework that neither sets it nor tells the descriptor of its listener.
func NoDelay() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		descriptor, err := strconv.Atoi(entry.Name())
		if err != nil || !listens(descriptor) {
			continue
		}
		if err := syscall.SetsockoptInt(descriptor, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	return nil
}

func listens(descriptor int) bool {
	value, err := syscall.GetsockoptInt(descriptor, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return err == nil && value == 1
}
