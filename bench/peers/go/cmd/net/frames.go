package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"

	"peers/server"
)

const (
	headerSize = 4
	bufferSize = 64 << 10
)

// frames answers each whole message with itself. Answers are gathered, and leave before a read that may wait.
func frames(connection net.Conn) {
	reader := bufio.NewReaderSize(connection, bufferSize)
	writer := bufio.NewWriterSize(connection, bufferSize)
	var message []byte
	for {
		var err error
		if message, err = next(reader, message); err != nil {
			return
		}
		if _, err = writer.Write(message); err != nil {
			return
		}
		if !wholeMessageBuffered(reader) && writer.Flush() != nil {
			return
		}
	}
}

// next reads one message, its header included, into the given slice, which it enlarges as needed.
func next(reader *bufio.Reader, message []byte) ([]byte, error) {
	header, err := reader.Peek(headerSize)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header)
	if length > server.MaximumFrame {
		return nil, bufio.ErrBufferFull
	}
	size := headerSize + int(length)
	if cap(message) < size {
		message = make([]byte, size)
	}
	message = message[:size]
	_, err = io.ReadFull(reader, message)
	return message, err
}

func wholeMessageBuffered(reader *bufio.Reader) bool {
	if reader.Buffered() < headerSize {
		return false
	}
	header, err := reader.Peek(headerSize)
	return err == nil && uint64(reader.Buffered()) >= headerSize+uint64(binary.BigEndian.Uint32(header))
}
