package main

import (
	"bytes"

	"github.com/tidwall/evio"
)

const (
	maximumHead = 64 << 10
	answer      = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, world!"
)

var (
	endOfHead = []byte("\r\n\r\n")
	get       = []byte("GET / HTTP/1.1\r\n")
)

// hello answers GET /. A request is the head up to the empty line. evio's example http-server without -noparse reads
// the same, with the body; it refuses a request whose first line arrives in two parts, which waits here for the rest.
func hello(connection evio.Conn, arrived []byte) (answers []byte, action evio.Action) {
	stream := connection.Context().(*evio.InputStream)
	data := stream.Begin(arrived)
	for {
		end := bytes.Index(data, endOfHead)
		if end < 0 {
			break
		}
		if !bytes.HasPrefix(data, get) {
			return answers, evio.Close
		}
		answers = append(answers, answer...)
		data = data[end+len(endOfHead):]
	}
	if len(data) > maximumHead {
		return answers, evio.Close
	}
	stream.End(data)
	return answers, evio.None
}
