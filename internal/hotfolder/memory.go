package hotfolder

import (
	"hash/maphash"
	"sync"
)

// memory is what a watch knows meanwhile. All of it can be lost: what counts is with the service
// and in the settings.
type memory struct {
	seed maphash.Seed

	mu     sync.Mutex
	known  map[uint64]uint64 // settings of files with which nothing is to be done, by hash
	told   map[uint64]uint64 // what was last said of a version that failed, by hash
	flying map[string][]*flight
	failed bool // since the last look at all began
	silent int  // failures in a row
}

// flight is a version whose job is being made or runs.
type flight struct {
	iv  string
	job string // "": not made yet
}

func newMemory() memory {
	return memory{seed: maphash.MakeSeed(), known: make(map[uint64]uint64), told: make(map[uint64]uint64), flying: make(map[string][]*flight)}
}

func (m *memory) hash(text string) uint64 { return maphash.String(m.seed, text) }

// know notes that nothing is to be done with a file as long as its settings have an ETag.
func (m *memory) know(address, etag string) {
	if etag == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[m.hash(address)] = m.hash(etag)
}

func (m *memory) isKnown(address, etag string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.known[m.hash(address)]
	return ok && at == m.hash(etag)
}

// isNews reports whether something else was said last of a version that failed.
func (m *memory) isNews(address, iv, text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, now := m.hash(address+"\x00"+iv), m.hash(text)
	last, ok := m.told[of]
	m.told[of] = now
	return !ok || last != now
}

// take begins a version, unless it is taken. older are the jobs of others of its file.
func (m *memory) take(address, iv string) (mine *flight, older []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.flying[address] {
		if f.iv == iv {
			return nil, nil
		}
		if f.job != "" {
			older = append(older, f.job)
		}
	}
	mine = &flight{iv: iv}
	m.flying[address] = append(m.flying[address], mine)
	return mine, older
}

// has notes the job of a version.
func (m *memory) has(f *flight, job string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.job = job
}

// leave ends a version.
func (m *memory) leave(address string, f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var left []*flight
	for _, other := range m.flying[address] {
		if other != f {
			left = append(left, other)
		}
	}
	if m.flying[address] = left; len(left) == 0 {
		delete(m.flying, address)
	}
}

// begin begins a look at all.
func (m *memory) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = false
}

// went counts what could be done, or failed for a reason that may pass.
func (m *memory) went(well bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if well {
		m.silent = 0
		return
	}
	m.failed = true
	m.silent++
}

// failing reports whether something has failed since the last look at all began.
func (m *memory) failing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// isAway reports whether so much has failed in a row that the rest would.
func (m *memory) isAway(parallel int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.silent > 2*parallel
}
