package main

import "net"

const echoBufferSize = 32 << 10

// echo is the example of net.Listener with its io.Copy(c, c) written out, with a buffer of io.Copy's size: on a socket
// io.Copy splices through a pipe, two more descriptors for each connection even while it is idle (see README.md).
func echo(connection net.Conn) {
	buffer := make([]byte, echoBufferSize)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}
