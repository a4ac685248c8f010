package spool

import (
	"math/rand/v2"
	"testing"
)

// What the tests of a volume over a failing disk need.

// Platter is a disk whose power can be cut.
type Platter = platter

func NewPlatter(dir string) *Platter { return newPlatter(dir) }

// OpenOn opens a spool whose folder is on the platter.
func OpenOn(o Options, p *Platter) (*Spool, error) { return p.on(o) }

// Before has f called before each call that changes the disk, or syncs it.
func (p *platter) Before(f func(tag string)) { p.watch(f) }

// Cut makes a folder as a power failure may leave it.
func (p *platter) Cut(t testing.TB, rng *rand.Rand) string { return p.cut(t, rng) }

// OpenAfterReboot opens a spool in another boot of the machine.
func OpenAfterReboot(o Options) (*Spool, error) {
	s, err := Open(o)
	if err != nil {
		return nil, err
	}
	return s.rebooted(), nil
}

// Written returns how far the writers have got, in bytes: the end of the farthest write,
// or the size if a truncation has made that smaller.
func (f *File) Written() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.written
}
