package main

import (
	"bytes"

	"github.com/panjf2000/gnet/v2"
)

const (
	maximumHead = 64 << 10
	answer      = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, world!"
)

var (
	endOfHead = []byte("\r\n\r\n")
	get       = []byte("GET / HTTP/1.1\r\n")
)

// hello answers GET /. A request is the head up to the empty line, as where gnet's example http has no Content-Length;
// the parser that the example uses for the rest is a package of others (see README.md).
type hello struct {
	booting
	answers []byte // The one loop's.
}

func (h *hello) OnTraffic(connection gnet.Conn) gnet.Action {
	arrived, err := connection.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	h.answers = h.answers[:0]
	parsed := 0
	for {
		end := bytes.Index(arrived[parsed:], endOfHead)
		if end < 0 {
			break
		}
		if !bytes.HasPrefix(arrived[parsed:], get) {
			return gnet.Close
		}
		h.answers = append(h.answers, answer...)
		parsed += end + len(endOfHead)
	}
	if len(arrived)-parsed > maximumHead {
		return gnet.Close
	}
	if parsed > 0 {
		connection.Discard(parsed)
		connection.Write(h.answers)
	}
	return gnet.None
}
