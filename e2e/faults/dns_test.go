package faults

import (
	"bytes"
	"context"
	"net"
)

// Names that the name server of this package knows nothing of, or never speaks of.
const (
	unknownHost = "unknown.test"
	silentHost  = "silent.test"
)

// resolver asks a name server in this process. It says of every name that it
// does not exist, and of the silent one nothing.
func resolver() *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { // as long as the process
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if answer := denial(query[:n]); answer != nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// denial is the answer "no such name" to a query (RFC 1035, section 4.1), nil
// for the silent name.
func denial(query []byte) []byte {
	const header = 12
	question := query[header:]
	if bytes.HasPrefix(question, []byte("\x06silent\x04test\x00")) {
		return nil
	}
	end := header + bytes.IndexByte(question, 0) + 1 + 4 // name, type and class
	answer := bytes.Clone(query[:end])
	answer[2], answer[3] = 0x81, 0x83                          // an answer; recursion was wanted and is available; NXDOMAIN
	copy(answer[4:header], "\x00\x01\x00\x00\x00\x00\x00\x00") // one question and nothing else
	return answer
}
