package main

import (
	"bytes"

	"github.com/Allenxuxu/gev"
)

// broadcast sends what has arrived to every connection with Send, as gev's example pushmessage does.
type broadcast struct {
	members map[*gev.Connection]struct{} // The one loop's, on which every method runs.
}

func (b *broadcast) OnConnect(connection *gev.Connection) {
	b.members[connection] = struct{}{}
}

func (b *broadcast) OnClose(connection *gev.Connection) {
	delete(b.members, connection)
}

// OnMessage copies the data once: Send only queues it, and the loop's buffer is read into again.
func (b *broadcast) OnMessage(_ *gev.Connection, _ any, data []byte) any {
	kept := bytes.Clone(data)
	for member := range b.members {
		member.Send(kept)
	}
	return nil
}
