package faults

import (
	"flag"
	"net"
	"os"
	"testing"

	"mcfs/internal/memorytest"
)

// TestMain lets many cases run at once, since most of their time is waiting, and
// gives this process a name server of its own, which can fail on demand.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	net.DefaultResolver = resolver()
	os.Exit(memorytest.Main(m))
}
