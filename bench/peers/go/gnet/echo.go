package main

import "github.com/panjf2000/gnet/v2"

// echo writes back what has arrived, as gnet's examples for TCP and for UDP do; what the system does not take is kept.
type echo struct{ booting }

func (*echo) OnTraffic(connection gnet.Conn) gnet.Action {
	bytes, err := connection.Next(-1)
	if err != nil {
		return gnet.Close
	}
	connection.Write(bytes) // Closes the connection if it fails.
	return gnet.None
}
