package s3test

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports of FreeAddress lie below those that a system gives to clients, and to
// listeners that ask for any, so that nobody gets one by chance before its server does.
const (
	firstPort = 20_000
	ports     = 12_000
)

// FreeAddress is one of this machine at which nobody listens.
func FreeAddress() (string, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", fmt.Errorf("no free port: %w", err)
}
