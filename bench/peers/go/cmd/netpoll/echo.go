package main

import (
	"context"

	"github.com/cloudwego/netpoll"
)

// echo writes back what has arrived. WriteBinary may refer to the bytes read instead of copying them, and Flush returns
// when all are written: only then are they released.
func echo(_ context.Context, connection netpoll.Connection) error {
	reader, writer := connection.Reader(), connection.Writer()
	defer reader.Release()
	bytes, err := reader.Next(reader.Len())
	if err != nil {
		return err
	}
	if _, err := writer.WriteBinary(bytes); err != nil {
		return err
	}
	return writer.Flush()
}
