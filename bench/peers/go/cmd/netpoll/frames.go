package main

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/cloudwego/netpoll"

	"peers/server"
)

const (
	headerSize   = 4
	gatheredSize = 64 << 10 // Answers of so many bytes are written before the next is made.
)

var errTooLong = errors.New("a message is longer than the maximum")

// frames answers each whole message with itself. It waits for the first; the whole messages that have already arrived
// behind it are answered with the same write.
func frames(_ context.Context, connection netpoll.Connection) error {
	reader, writer := connection.Reader(), connection.Writer()
	defer reader.Release()
	err := gather(reader, writer)
	if err == nil {
		err = writer.Flush()
	}
	if err != nil {
		connection.Close()
	}
	return err
}

func gather(reader netpoll.Reader, writer netpoll.Writer) error {
	for {
		size, err := nextSize(reader)
		if err != nil {
			return err
		}
		message, err := reader.Next(size)
		if err != nil {
			return err
		}
		if _, err := writer.WriteBinary(message); err != nil {
			return err
		}
		if writer.MallocLen() >= gatheredSize || !wholeMessageArrived(reader) {
			return nil
		}
	}
}

// nextSize waits for the header of a message and returns the size of the whole, header included.
func nextSize(reader netpoll.Reader) (int, error) {
	header, err := reader.Peek(headerSize)
	if err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint32(header)
	if length > server.MaximumFrame {
		return 0, errTooLong
	}
	return headerSize + int(length), nil
}

func wholeMessageArrived(reader netpoll.Reader) bool {
	if reader.Len() < headerSize {
		return false
	}
	size, err := nextSize(reader)
	return err == nil && reader.Len() >= size
}
