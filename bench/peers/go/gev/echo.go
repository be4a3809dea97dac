package main

import "github.com/Allenxuxu/gev"

// echo answers with what the protocol gave it: by default all that has arrived, for the kind frames a whole message.
// gev copies it, and reads on when all of it is written.
type echo struct{}

func (*echo) OnConnect(*gev.Connection) {}
func (*echo) OnClose(*gev.Connection)   {}

func (*echo) OnMessage(_ *gev.Connection, _ any, data []byte) any {
	return data
}
