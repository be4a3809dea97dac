package main

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/panjf2000/gnet/v2"

	"peers/server"
)

const headerSize = 4

var errTooLong = errors.New("a message is longer than the maximum")

// frames answers each whole message with itself. The answers to all that have arrived leave with one write, as in
// gnet's example simple_protocol.
type frames struct {
	booting
	answers []byte // The one loop's.
}

func (f *frames) OnTraffic(connection gnet.Conn) gnet.Action {
	f.answers = f.answers[:0]
	for {
		message, err := peek(connection)
		if errors.Is(err, io.ErrShortBuffer) {
			break
		}
		if err != nil {
			return gnet.Close
		}
		f.answers = append(f.answers, message...)
		connection.Discard(len(message))
	}
	if len(f.answers) > 0 {
		connection.Write(f.answers)
	}
	return gnet.None
}

// peek returns the next whole message, its header included, or io.ErrShortBuffer. It is valid until it is discarded.
func peek(connection gnet.Conn) ([]byte, error) {
	header, err := connection.Peek(headerSize)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header)
	if length > server.MaximumFrame {
		return nil, errTooLong
	}
	return connection.Peek(headerSize + int(length))
}
