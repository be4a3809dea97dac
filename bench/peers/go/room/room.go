// Package room passes bytes on to every open connection, for the kind broadcast.
package room

import (
	"net"
	"sync"
)

// A Room holds the open connections; any goroutine may use it.
type Room struct {
	mutex   sync.RWMutex
	members map[*Member]struct{}
}

// A Member is one connection and what waits to be sent on it. One goroutine writes, so that a member that does not read
// delays no other; what waits for it is kept.
type Member struct {
	connection net.Conn
	mutex      sync.Mutex
	waiting    net.Buffers
	wake       chan struct{} // Closed when no more will come.
}

// New makes an empty room.
func New() *Room {
	return &Room{members: map[*Member]struct{}{}}
}

// Join adds a connection; the caller calls Leave once, when the connection has ended.
func (r *Room) Join(connection net.Conn) *Member {
	joined := &Member{connection: connection, wake: make(chan struct{}, 1)}
	go joined.write()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.members[joined] = struct{}{}
	return joined
}

// Leave forgets a member and what waits for it.
func (r *Room) Leave(member *Member) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.members, member)
	close(member.wake)
}

// Send keeps the bytes, which are not changed from now on, until every member has been sent them.
func (r *Room) Send(bytes []byte) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	for member := range r.members {
		member.queue(bytes)
	}
}

func (m *Member) queue(bytes []byte) {
	m.mutex.Lock()
	m.waiting = append(m.waiting, bytes)
	m.mutex.Unlock()
	select {
	case m.wake <- struct{}{}:
	default: // A wake is under way, and takes these bytes as well.
	}
}

// write sends all that waits, gathered. A failed write closes the connection, which ends its reader too.
func (m *Member) write() {
	for range m.wake {
		m.mutex.Lock()
		batch := m.waiting
		m.waiting = nil
		m.mutex.Unlock()
		if _, err := batch.WriteTo(m.connection); err != nil {
			m.connection.Close()
			return
		}
	}
}
