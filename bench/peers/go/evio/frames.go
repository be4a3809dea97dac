package main

import (
	"encoding/binary"

	"github.com/tidwall/evio"

	"peers/server"
)

const headerSize = 4

// frames answers each whole message with itself: they lie one behind the other, and so do the answers.
func frames(connection evio.Conn, bytes []byte) ([]byte, evio.Action) {
	stream := connection.Context().(*evio.InputStream)
	data := stream.Begin(bytes)
	whole, valid := wholeMessages(data)
	if !valid {
		return nil, evio.Close
	}
	if whole == 0 {
		stream.End(data)
		return nil, evio.None
	}
	answers := data[:whole]
	if whole < len(data) { // End moves the rest to where the answers may lie.
		answers = append([]byte(nil), answers...)
	}
	stream.End(data[whole:])
	return answers, evio.None
}

// wholeMessages returns how many bytes of whole messages there are, and whether no message is too long.
func wholeMessages(data []byte) (size int, valid bool) {
	for len(data)-size >= headerSize {
		length := binary.BigEndian.Uint32(data[size:])
		if length > server.MaximumFrame {
			return size, false
		}
		next := size + headerSize + int(length)
		if next > len(data) {
			break
		}
		size = next
	}
	return size, true
}
