package offline

import (
	"fmt"
	"testing"
)

// TestShards: several runs that share a tree out among each other do each file once, and each does
// about as much; what one has done another finds.
func TestShards(t *testing.T) {
	r := newRig(t, "CTR")
	const files, shards = 60, 4
	for i := range files {
		r.source(fmt.Sprintf("d%d/f%d", i%5, i), []byte{byte(i)})
	}
	paths := make(map[string]int)
	for i := range shards {
		o := r.options()
		o.Shard = Shard{i, shards}
		done := 0
		o.Report = func(i Item) error { paths[i.Path]++; done++; return nil }
		r.must(Encrypt(t.Context(), Encryption{Options: o, Config: r.c, Source: r.dir + "/source", Target: r.place("t")}))
		if done < files/shards/3 || done > files/shards*3 {
			t.Errorf("shard %d has %d of %d files", i, done, files)
		}
	}
	for path, n := range paths {
		if n != 1 {
			t.Errorf("%s was done %d times", path, n)
		}
	}
	if len(paths) != files {
		t.Errorf("%d of %d files were done", len(paths), files)
	}
	r.must(r.encrypt("", "t", false))
	if s := r.states(); s != fmt.Sprintf(`{"there":%d}`, files) {
		t.Errorf("all together: %s", s)
	}
	seen := 0
	for i := range shards {
		o := r.options()
		o.Shard = Shard{i, shards}
		o.Report = func(Item) error { seen++; return nil }
		r.must(Verify(t.Context(), Verification{Options: o, Config: r.c, Sample: 100, Places: r.everything}))
	}
	if seen != files {
		t.Errorf("%d were checked", seen)
	}
}

// TestArrayShard: an array job of AWS Batch tells which part is meant, and of how many; one of Kubernetes
// needs to be told that. What is not told is refused, lest files are left out.
func TestArrayShard(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Shard
		ok   bool
	}{
		{nil, Shard{}, true},
		{map[string]string{"MCFS_SHARDS": "4"}, Shard{}, true},
		{map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}, Shard{0, 4}, true},
		{map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "3", "MCFS_SHARDS": "5"}, Shard{3, 5}, true},
		{map[string]string{"JOB_COMPLETION_INDEX": "3", "MCFS_SHARDS": "4"}, Shard{3, 4}, true},
		{map[string]string{"JOB_COMPLETION_INDEX": "3"}, Shard{}, false},
		{map[string]string{"JOB_COMPLETION_INDEX": "4", "MCFS_SHARDS": "4"}, Shard{}, false},
		{map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0"}, Shard{}, false},
		{map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "0", "MCFS_SHARDS": "x"}, Shard{}, false},
	} {
		got, err := ArrayShard(func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%v: %v, %v", c.env, got, err)
		}
	}
}

// TestParseShard: what is no shard is refused.
func TestParseShard(t *testing.T) {
	env := map[string]string{}
	get := func(name string) string { return env[name] }
	for text, want := range map[string]Shard{"": {}, "0/1": {0, 1}, "3/4": {3, 4}} {
		if s, err := ParseShard(text, get); err != nil || s != want {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"/4", "4/4", "-1/4", "1", "a/b", "1/0", "1/99999", "+1/4", "/"} {
		if s, err := ParseShard(text, get); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
	for _, name := range []string{"JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"} {
		env = map[string]string{name: "2"}
		if s, err := ParseShard("/4", get); err != nil || s != (Shard{2, 4}) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}
