package main

import (
	"net"

	"peers/server"
)

const largestDatagram = 64 << 10

// datagrams sends every datagram back to its sender, with the calls of UDPConn that need no memory for an address.
func datagrams(address string) error {
	local, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", local)
	if err != nil {
		return err
	}
	server.Announce(socket.LocalAddr())
	buffer := make([]byte, largestDatagram)
	for {
		count, sender, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		// A datagram that the system does not take is lost, as datagrams may be.
		socket.WriteToUDPAddrPort(buffer[:count], sender)
	}
}
