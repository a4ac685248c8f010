package sidecar

import "testing"

// TestIsLocal: what a local keyring has wrapped is told from what KMS has, whose region may be left
// out of a document.
func TestIsLocal(t *testing.T) {
	for _, c := range []struct {
		name   string
		key    int // bytes
		region string
		want   bool
	}{
		{"a keyring's", 60, "", true},
		{"KMS's", 184, "us-west-2", false},
		{"KMS's, without its region", 152, "", false},
		{"a short one with a region", 60, "us-west-2", false},
	} {
		if got := (Settings{Key: make([]byte, c.key), Region: c.region}).IsLocal(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
