package main

import (
	"net"

	"peers/room"
)

var open = room.New()

// passOn sends to every connection what this one sends.
func passOn(connection net.Conn) {
	member := open.Join(connection)
	defer open.Leave(member)
	buffer := make([]byte, bufferSize)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		open.Send(append([]byte(nil), buffer[:count]...))
	}
}
