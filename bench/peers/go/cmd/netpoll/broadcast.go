package main

import (
	"context"

	"github.com/cloudwego/netpoll"

	"peers/room"
)

var open = room.New()

// join runs before the connection's first request. The room writes with the connection's Write: it holds the lock that
// closing waits for, which the queue of package mux does not (see README.md).
func join(ctx context.Context, connection netpoll.Connection) context.Context {
	member := open.Join(connection)
	connection.AddCloseCallback(func(netpoll.Connection) error {
		open.Leave(member)
		return nil
	})
	return ctx
}

// passOn sends what has arrived to every connection.
func passOn(_ context.Context, connection netpoll.Connection) error {
	reader := connection.Reader()
	bytes, err := reader.ReadBinary(reader.Len())
	if err != nil {
		return err
	}
	open.Send(bytes)
	return reader.Release()
}
