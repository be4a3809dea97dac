// Command netpoll serves with github.com/cloudwego/netpoll. It follows the package's own "Tutorial" (Use Server, Use
// Nocopy API, How to configure the number of pollers) and the documentation of package mux. Set: GOMAXPROCS 1 and one
// poller. The handler runs in goroutines of its pool, one at a time for each connection, as documented. netpoll sets
// TCP_NODELAY by default; its listener is package net's, which takes the system's largest backlog (somaxconn).
// It offers no udp ("Future" in its README) and no HTTP parser.
package main

import (
	"github.com/cloudwego/netpoll"

	"peers/server"
)

func main() {
	server.Main("netpoll", map[string]server.Serve{
		"echo":      eventLoop(echo),
		"frames":    eventLoop(frames),
		"broadcast": eventLoop(passOn, netpoll.WithOnConnect(join)),
	})
}

func eventLoop(handle netpoll.OnRequest, options ...netpoll.Option) server.Serve {
	return func(address string) error {
		if err := netpoll.SetNumLoops(1); err != nil {
			return err
		}
		listener, err := netpoll.CreateListener("tcp", address)
		if err != nil {
			return err
		}
		loop, err := netpoll.NewEventLoop(handle, options...)
		if err != nil {
			return err
		}
		server.Announce(listener.Addr())
		return loop.Serve(listener)
	}
}
