package offline

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"mcfs/internal/verdict"
)

// Shard is one of several equal parts of all files, which machines share out among each other without
// asking: each file is in one. The zero value has all.
type Shard struct{ Index, Of int }

// maxShards is how many parts there may be.
const maxShards = 10_000

// keyed is what can be in a shard.
type keyed interface {
	// shardKey names it in the volume; "": it is everybody's.
	shardKey() string
}

func (f found) shardKey() string {
	if f.err != nil {
		return ""
	}
	return f.key
}

func (e entry) shardKey() string {
	if e.err != nil {
		return ""
	}
	return e.listing.Key
}

// has reports whether a file is in the shard.
func (s Shard) has(key string) bool {
	if s.Of <= 1 || key == "" {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()%uint64(s.Of) == uint64(s.Index)
}

// What tells a job of an array which one it is, and of how many. Kubernetes does not tell that: a
// manifest gives it in MCFS_SHARDS.
var arrays = []struct{ index, size string }{
	{"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
	{"JOB_COMPLETION_INDEX", ""},
}

const sizeVariable = "MCFS_SHARDS"

// ArrayShard is the part that the environment of an array job of AWS Batch or an indexed job of
// Kubernetes tells; outside of one it is all.
func ArrayShard(env func(string) string) (Shard, error) {
	for _, a := range arrays {
		index := env(a.index)
		if index == "" {
			continue
		}
		of := env(sizeVariable)
		if of == "" && a.size != "" {
			of = env(a.size)
		}
		if of == "" {
			return Shard{}, verdict.Errorf(verdict.Usage, "set "+sizeVariable+" to how many there are, or give --shard /N; --shard 0/1 is all", "%s tells the part, and nothing of how many", a.index)
		}
		return ParseShard(index+"/"+of, env)
	}
	return Shard{}, nil
}

// ParseShard reads I/N, of which I counts from 0, or /N, where the environment of an array job of AWS Batch
// or an indexed job of Kubernetes tells I; "" is all.
func ParseShard(text string, env func(string) string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	index, of, ok := strings.Cut(text, "/")
	for _, a := range arrays {
		if index == "" {
			index = env(a.index)
		}
	}
	s := Shard{-1, 0}
	if i, err := strconv.ParseUint(index, 10, 31); err == nil {
		s.Index = int(i)
	}
	if n, err := strconv.ParseUint(of, 10, 31); err == nil {
		s.Of = int(n)
	}
	if !ok || s.Of < 1 || s.Of > maxShards || s.Index < 0 || s.Index >= s.Of {
		return Shard{}, verdict.Errorf(verdict.Usage, fmt.Sprintf("give I/N, with I from 0 to N-1 and N up to %d; or /N in an array job, whose environment tells I", maxShards), "--shard %s", text)
	}
	return s, nil
}
