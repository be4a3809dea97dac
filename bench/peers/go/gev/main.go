// Command gev serves with github.com/Allenxuxu/gev. It follows the package's README and its examples echo, protocol and
// pushmessage. Set: GOMAXPROCS 1 and NumLoops(1); connections are accepted by a loop of their own, always. gev takes
// the system's largest backlog (somaxconn). It does not set TCP_NODELAY: server.NoDelay does, from outside (see
// README.md). It offers no udp (Network in its options) and no HTTP parser.
package main

import (
	"net"

	"github.com/Allenxuxu/gev"

	"peers/server"
)

func main() {
	server.Main("gev", map[string]server.Serve{
		"echo":      serve(&echo{}),
		"frames":    serve(&echo{}, gev.CustomProtocol(&frames{})),
		"broadcast": serve(&broadcast{members: map[*gev.Connection]struct{}{}}),
	})
}

func serve(handler gev.Handler, options ...gev.Option) server.Serve {
	return func(address string) error {
		chosen, err := free(address)
		if err != nil {
			return err
		}
		options = append(options, gev.Address(chosen.String()), gev.NumLoops(1))
		listening, err := gev.NewServer(handler, options...)
		if err != nil {
			return err
		}
		if err := server.NoDelay(); err != nil {
			return err
		}
		server.Announce(chosen)
		listening.Start()
		return nil
	}
}

// free returns the address with a port that is free now in place of 0: gev tells nobody which port the system chose.
func free(address string) (net.Addr, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return listener.Addr(), listener.Close()
}
