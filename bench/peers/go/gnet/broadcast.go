package main

import "github.com/panjf2000/gnet/v2"

// broadcast sends what has arrived to every connection, kept in a map as in gnet's example push. All belong to the one
// loop, so each is written to at once; from another goroutine it would be AsyncWrite.
type broadcast struct {
	booting
	members map[gnet.Conn]struct{} // The one loop's.
}

func (b *broadcast) OnOpen(connection gnet.Conn) ([]byte, gnet.Action) {
	b.members[connection] = struct{}{}
	return nil, gnet.None
}

// OnClose may run within OnTraffic, for a member whose write failed; a map may lose entries while it is ranged over.
func (b *broadcast) OnClose(connection gnet.Conn, _ error) gnet.Action {
	delete(b.members, connection)
	return gnet.None
}

func (b *broadcast) OnTraffic(connection gnet.Conn) gnet.Action {
	bytes, err := connection.Next(-1)
	if err != nil {
		return gnet.Close
	}
	for member := range b.members {
		member.Write(bytes)
	}
	return gnet.None
}
