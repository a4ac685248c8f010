package rig

import (
	"testing"

	"mcfs/store/s3/s3test/sink"
)

// Sink is an S3 server for files that no disk here could hold.
type Sink struct {
	*sink.Server
	Bucket string
}

// StartSink runs a sink until the test ends, which fails if something came that
// the sink does not know, or that was not what its CRC-32C said.
func StartSink(tb testing.TB) *Sink {
	tb.Helper()
	s, err := sink.Start(sink.Options{Verify: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
		for _, f := range s.Counts().Faults {
			tb.Errorf("sink: %s", f)
		}
	})
	return &Sink{Server: s, Bucket: sink.Bucket}
}
