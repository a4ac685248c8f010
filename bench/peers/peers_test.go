package peers

import (
	"slices"
	"testing"
)

func TestTOML(t *testing.T) {
	s := Settings{"store.kind": `"s3"`, "crypt.mode": `"CTR"`, "store.bucket": Quote("b")}
	if got, want := s.toml(), "[crypt]\nmode = \"CTR\"\n[store]\nbucket = \"b\"\nkind = \"s3\"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestKnown(t *testing.T) {
	const help = "      --s3-chunk-size SizeSuffix   Chunk size\n      --s3-no-head   If set\n      --s3-no-head-object  If set\n"
	got := known([]string{"--s3-chunk-size=16M", "--s3-no-head", "--s3-no-head-obj", "--s3-use-unsigned-payload=true"}, help)
	if want := []string{"--s3-chunk-size=16M", "--s3-no-head"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
