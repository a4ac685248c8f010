package s3_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"mcfs/store"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// TestConformance runs the suite against a real server, one prefix per test.
func TestConformance(t *testing.T) {
	server := s3test.Start(t)
	var n atomic.Int32
	storetest.Run(t, func(t *testing.T) store.Store {
		return server.Open(t, fmt.Sprintf("test %d+%%/", n.Add(1)))
	})
}
