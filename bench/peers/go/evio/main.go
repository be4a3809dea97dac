// Command evio serves with github.com/tidwall/evio. It follows the package's README (Usage, Data, Multithreaded) and
// its examples echo-server and http-server. Set: GOMAXPROCS 1 and NumLoops 1. evio takes the system's largest backlog
// (somaxconn). It does not set TCP_NODELAY: server.NoDelay does, from outside (see README.md).
// broadcast is not offered: what Wake lets a connection send replaces what still waits to be sent on it.
package main

import (
	"log"

	"github.com/tidwall/evio"

	"peers/server"
)

func main() {
	server.Main("evio", map[string]server.Serve{
		"echo":   serve("tcp", evio.Events{Data: echo}),
		"frames": serve("tcp", evio.Events{Opened: openStream, Data: frames}),
		"http":   serve("tcp", evio.Events{Opened: openStream, Data: hello}),
		"udp":    serve("udp", evio.Events{Data: echo}),
	})
}

func serve(scheme string, events evio.Events) server.Serve {
	events.NumLoops = 1
	events.Serving = func(serving evio.Server) evio.Action {
		if err := server.NoDelay(); err != nil {
			log.Print(err)
			return evio.Shutdown
		}
		server.Announce(serving.Addrs[0])
		return evio.None
	}
	return func(address string) error {
		return evio.Serve(events, scheme+"://"+address)
	}
}

// echo writes back what has arrived. evio copies it, and reads on when all of it is written.
func echo(_ evio.Conn, bytes []byte) ([]byte, evio.Action) {
	return bytes, evio.None
}

// openStream gives the connection what keeps the start of a message until its end arrives.
func openStream(connection evio.Conn) ([]byte, evio.Options, evio.Action) {
	connection.SetContext(&evio.InputStream{})
	return nil, evio.Options{}, evio.None
}
