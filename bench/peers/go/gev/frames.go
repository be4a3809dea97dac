package main

import (
	"github.com/Allenxuxu/gev"
	"github.com/Allenxuxu/ringbuffer"

	"peers/server"
)

const headerSize = 4

// frames is a gev.Protocol whose messages keep their header, so that one that is sent back need not be put together.
type frames struct{}

// UnPacket takes the next whole message from the buffer; without one, it returns nothing.
func (*frames) UnPacket(connection *gev.Connection, buffer *ringbuffer.RingBuffer) (any, []byte) {
	if buffer.Length() < headerSize {
		return nil, nil
	}
	length := buffer.PeekUint32()
	if length > server.MaximumFrame {
		buffer.RetrieveAll()
		connection.Close()
		return nil, nil
	}
	size := headerSize + int(length)
	if buffer.Length() < size {
		return nil, nil
	}
	message := make([]byte, size)
	buffer.Read(message)
	return nil, message
}

func (*frames) Packet(_ *gev.Connection, data any) []byte {
	return data.([]byte)
}
