// Command gnet serves with github.com/panjf2000/gnet/v2. It follows the package's own "Features" and "Getting Started"
// and the examples echo_tcp, echo_udp, simple_protocol, http and push of gnet-examples. Set: GOMAXPROCS 1,
// WithMulticore(false) and WithNumEventLoop(1). As by default, connections are accepted by a second goroutine ("main
// reactor"), which hands them to the loop. gnet sets TCP_NODELAY by default (Options.TCPNoDelay) and takes the system's
// largest backlog (somaxconn).
package main

import (
	"log"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"

	"peers/server"
)

func main() {
	server.Main("gnet", map[string]server.Serve{
		"echo":      run("tcp", &echo{}),
		"frames":    run("tcp", &frames{}),
		"http":      run("tcp", &hello{}),
		"udp":       run("udp", &echo{}),
		"broadcast": run("tcp", &broadcast{members: map[gnet.Conn]struct{}{}}),
	})
}

func run(scheme string, handler gnet.EventHandler) server.Serve {
	return func(address string) error {
		logger, err := quiet()
		if err != nil {
			return err
		}
		return gnet.Run(handler, scheme+"://"+address,
			gnet.WithMulticore(false), gnet.WithNumEventLoop(1), gnet.WithLogger(logger.Sugar()))
	}
}

// quiet logs to standard error, and nothing but warnings and errors; gnet's own logger writes to standard output.
func quiet() (*zap.Logger, error) {
	return zap.NewProduction(zap.IncreaseLevel(zap.WarnLevel))
}

// A booting handler says where the engine listens; gnet accepts connections from then on.
type booting struct{ gnet.BuiltinEventEngine }

func (booting) OnBoot(engine gnet.Engine) gnet.Action {
	address, err := listening(engine)
	if err != nil {
		log.Print(err)
		return gnet.Shutdown
	}
	server.Announce(address)
	return gnet.None
}

// listening asks a copy of the listener's descriptor: gnet tells nobody which port the system chose.
func listening(engine gnet.Engine) (net.Addr, error) {
	descriptor, err := engine.Dup()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(descriptor), "listener")
	defer file.Close()
	if listener, err := net.FileListener(file); err == nil {
		defer listener.Close()
		return listener.Addr(), nil
	}
	connection, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.LocalAddr(), nil
}
