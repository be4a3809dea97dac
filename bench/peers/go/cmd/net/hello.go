package main

import (
	"io"
	"net"
	"net/http"

	"peers/server"
)

// hello serves HTTP with package net/http; the length of so short a body is set by the package itself.
func hello(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	http.HandleFunc("GET /{$}", func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "text/plain")
		io.WriteString(response, "Hello, world!")
	})
	server.Announce(listener.Addr())
	return http.Serve(listener, nil)
}
