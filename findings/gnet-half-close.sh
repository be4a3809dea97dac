#!/usr/bin/env bash
# gnet 2.9.8 (Go, Linux, TCP): a client that sends all it has, ends its sending side and only then reads, loses what of the
# answer was still queued in gnet. gnet sees the end, tries once more to send, and closes. `OnClose` gets the same error as when
# the answer was sent in full, so the server cannot tell. The same echo over Go's own net answers in full.
#
# Seen (the client reads a second after it began to send):
#   gnet, 5 bytes: whole, OnClose: read: EOF
#   gnet, 20000000 bytes: cut, OnClose: read: EOF
#   net, 20000000 bytes: whole
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
export GOPATH=$folder/go GOFLAGS=-modcacherw
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/panjf2000/gnet/v2"
)

type echo struct {
	gnet.BuiltinEventEngine
	booted chan struct{}
	closed chan error
}

func (e *echo) OnBoot(gnet.Engine) gnet.Action {
	close(e.booted)
	return gnet.None
}

func (e *echo) OnTraffic(c gnet.Conn) gnet.Action {
	data, _ := c.Next(-1)
	c.Write(data)
	return gnet.None
}

func (e *echo) OnClose(_ gnet.Conn, err error) gnet.Action {
	e.closed <- err
	return gnet.None
}

// answered says how much of the echo a client gets that sends everything before it reads.
func answered(address string, size int) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		conn.(*net.TCPConn).CloseWrite()
		sent <- err
	}()
	time.Sleep(time.Second)
	got, _ := io.Copy(io.Discard, conn)
	if err := <-sent; err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
	}
	if got == int64(size) {
		return "whole"
	}
	return "cut"
}

func free() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func main() {
	handler, address := &echo{booted: make(chan struct{}), closed: make(chan error, 1)}, free()
	go gnet.Run(handler, "tcp://"+address)
	<-handler.booted
	for _, size := range []int{5, 20_000_000} {
		fmt.Printf("gnet, %d bytes: %s, ", size, answered(address, size))
		fmt.Printf("OnClose: %v\n", <-handler.closed)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		conn, _ := listener.Accept()
		// One that holds what it cannot send yet, as gnet does.
		all, _ := io.ReadAll(conn)
		conn.Write(all)
		conn.Close()
	}()
	fmt.Printf("net, 20000000 bytes: %s\n", answered(listener.Addr().String(), 20_000_000))
}
GO
go mod init finding >/dev/null 2>&1
go get github.com/panjf2000/gnet/v2@v2.9.8 >/dev/null 2>&1
go run . | grep -v "^\[gnet\]" >seen
cat seen
diff seen - <<'SEEN'
gnet, 5 bytes: whole, OnClose: read: EOF
gnet, 20000000 bytes: cut, OnClose: read: EOF
net, 20000000 bytes: whole
SEEN
