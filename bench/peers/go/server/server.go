// Package server is what the peers' commands share: their arguments, the line that says where they listen, and their
// end. A command is called as NAME KIND URL, for instance: netpoll echo tcp://127.0.0.1:0
package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// MaximumFrame is the largest body, in bytes, that the kind frames takes.
const MaximumFrame = 4 << 20

// Serve listens on an address, host:port, calls Announce, and serves; it returns only when it cannot, or no longer.
type Serve func(address string) error

var errEnded = errors.New("serving has ended")

// Main runs the kind that the arguments name. It allows one thread of Go code, so that every peer has one processor.
// It does not return: it ends with 0 on SIGTERM, 1 when serving failed, 2 on a kind or a URL that is not offered.
func Main(name string, kinds map[string]Serve) {
	runtime.GOMAXPROCS(1)
	serve, address, err := chosen(kinds, os.Args[1:])
	if err != nil {
		fail(2, name, err)
	}
	go exitOnTerminate()
	fail(1, name, cmp.Or(serve(address), errEnded))
}

// Announce prints the one line that says where connections are accepted.
func Announce(address net.Addr) {
	fmt.Printf("listening on %s://%s\n", address.Network(), address)
}

func chosen(kinds map[string]Serve, arguments []string) (Serve, string, error) {
	if len(arguments) != 2 {
		return nil, "", fmt.Errorf("use: KIND URL")
	}
	serve, offered := kinds[arguments[0]]
	if !offered {
		return nil, "", fmt.Errorf("the kind %q is not offered", arguments[0])
	}
	target, err := url.Parse(arguments[1])
	if err != nil {
		return nil, "", err
	}
	if target.Scheme != scheme(arguments[0]) {
		return nil, "", fmt.Errorf("%s is served on %s://, not on %q", arguments[0], scheme(arguments[0]), arguments[1])
	}
	return serve, target.Host, nil
}

func scheme(kind string) string {
	if kind == "udp" {
		return "udp"
	}
	return "tcp"
}

func exitOnTerminate() {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	<-terminate
	os.Exit(0)
}

func fail(status int, name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(status)
}
