// Command go-net serves with Go's own package net: one goroutine for each connection. It follows the documentation of
// package net (Overview, and the example of Listener), of bufio, and of net/http (Overview). Set: GOMAXPROCS 1.
// Package net sets TCP_NODELAY by default (TCPConn.SetNoDelay) and takes the system's largest backlog (somaxconn).
package main

import (
	"errors"
	"net"
	"syscall"
	"time"

	"peers/server"
)

// As long as the longest pause that net/http makes when it has no descriptors left.
const pauseWithoutDescriptors = time.Second

func main() {
	server.Main("go-net", map[string]server.Serve{
		"echo":      eachConnection(echo),
		"frames":    eachConnection(frames),
		"http":      hello,
		"udp":       datagrams,
		"broadcast": eachConnection(passOn),
	})
}

// eachConnection accepts for ever and gives every connection a goroutine, which closes it when handle returns.
func eachConnection(handle func(net.Conn)) server.Serve {
	return func(address string) error {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		server.Announce(listener.Addr())
		for {
			connection, err := accept(listener)
			if err != nil {
				return err
			}
			go func() {
				defer connection.Close()
				handle(connection)
			}()
		}
	}
}

// accept waits, as net/http does, while the process or the system has no descriptors left.
func accept(listener net.Listener) (net.Conn, error) {
	for {
		connection, err := listener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return connection, err
		}
		time.Sleep(pauseWithoutDescriptors)
	}
}
