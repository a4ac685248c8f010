package metacache

import (
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// gather is how long writes are collected for one transaction, gatherMax how
	// many do not wait any longer, pendingMax how many are remembered while the
	// disk is slow: what comes on top is not kept.
	gather     = time.Second
	gatherMax  = 4096
	pendingMax = 1 << 16
	// defaultMax is the most that descriptions occupy on disk, in bytes: those of
	// about 300,000 files.
	defaultMax = 256 << 20
)

// Cache is open from Open to Close. Its methods may be called from any number
// of goroutines; reads and Forget touch the disk, Put and Delete never do.
type Cache struct {
	path string
	log  *slog.Logger
	max  int64

	writer  sync.Mutex // over a transaction and the choice of what is in it; before mu
	mu      sync.Mutex
	db      *bolt.DB          // nil: nothing is remembered
	failed  *bolt.DB          // what db was before it failed
	pending map[string][]byte // by key; a nil value is a deletion
	writing map[string][]byte // what the transaction under way takes along
	fallen  []string          // prefixes of keys to be deleted, before what is pending is put
	falling []string          // of the transaction under way
	wake    chan struct{}     // one waiting token: there is something to write
	full    chan struct{}     // one waiting token: do not gather any longer
	quit    chan struct{}
	done    sync.WaitGroup
}

// Open opens or begins the cache in the file at path. What was remembered under
// another identity (of the volume, and of what descriptions depend on) is
// forgotten. It always gives a cache, at worst one that forgets at once.
func Open(path, identity string, log *slog.Logger) *Cache {
	return open(path, identity, log, defaultMax)
}

func open(path, identity string, log *slog.Logger, most int64) *Cache {
	c := &Cache{
		path: path, log: log, max: most, pending: make(map[string][]byte),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	c.db = c.openFile(identity)
	c.done.Go(c.run)
	return c
}

// Close writes what is pending and lets go of the file.
func (c *Cache) Close() {
	close(c.quit)
	c.done.Wait()
	c.mu.Lock()
	list := []*bolt.DB{c.db, c.failed}
	c.db, c.failed = nil, nil
	c.mu.Unlock()
	for _, db := range list {
		if db == nil {
			continue
		}
		if err := guard(db.Close); err != nil {
			c.log.Warn("close the metadata cache", "path", c.path, "cause", err)
		}
	}
}

// keyOf keeps the entries of one directory together: DIRECTORY NUL NAME. A
// directory's own name ends in "/"; no name holds a NUL.
func keyOf(object string) string {
	dir, name := path.Split(strings.TrimSuffix(object, "/"))
	if strings.HasSuffix(object, "/") {
		name += "/"
	}
	return strings.TrimSuffix(dir, "/") + "\x00" + name
}

// Get gives the description that was kept for the object of that key (a path;
// "DIR/" is a directory's marker) in the state that a listing shows.
func (c *Cache) Get(object string, now Stamp) (description []byte, kept Stamp, ok bool) {
	key := keyOf(object)
	value := c.value(key)
	if value == nil {
		return nil, Stamp{}, false
	}
	kept, description, err := decode(key, value)
	if err != nil {
		c.log.Warn("metadata cache: an entry is damaged and not believed", "path", object)
		c.Delete(object)
		return nil, Stamp{}, false
	}
	return description, kept, kept.describes(now)
}

// value is what stands, or is about to stand, under a key.
func (c *Cache) value(key string) []byte {
	c.mu.Lock()
	db := c.db
	value, settled := c.unwritten(key)
	c.mu.Unlock()
	if settled || db == nil {
		return value
	}
	err := guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			value = append(value, tx.Bucket(bucketEntries).Get([]byte(key))...)
			return nil
		})
	})
	if err != nil {
		c.giveUp(err)
		return nil
	}
	return value
}

// unwritten is what memory says of a key, the latest first; settled is false if
// it says nothing. c.mu is held.
func (c *Cache) unwritten(key string) (value []byte, settled bool) {
	under := func(prefix string) bool { return strings.HasPrefix(key, prefix) }
	if v, there := c.pending[key]; there {
		return v, true
	}
	if slices.ContainsFunc(c.fallen, under) {
		return nil, true
	}
	if v, there := c.writing[key]; there {
		return v, true
	}
	return nil, slices.ContainsFunc(c.falling, under)
}

// Put keeps a description, of which it takes a copy.
func (c *Cache) Put(object string, s Stamp, description []byte) {
	key := keyOf(object)
	c.set(key, encode(key, s, description))
}

// Delete forgets an object.
func (c *Cache) Delete(object string) { c.set(keyOf(object), nil) }

// Forget is Delete that lasts over a kill once it has returned. It is for objects
// about to be put again in a state that a listing cannot tell from this one.
func (c *Cache) Forget(object string) {
	key := keyOf(object)
	c.mu.Lock()
	_, pending := c.pending[key]
	_, writing := c.writing[key]
	known := pending || writing || len(c.fallen)+len(c.falling) > 0
	c.mu.Unlock()
	if !known && c.value(key) == nil {
		return
	}
	c.set(key, nil)
	c.writer.Lock()
	defer c.writer.Unlock()
	c.mu.Lock()
	_, pending = c.pending[key] // else somebody's transaction took it along
	c.mu.Unlock()
	if pending {
		c.write()
	}
}

// DeleteBelow forgets all that is below a directory, and its marker.
func (c *Cache) DeleteBelow(dir string) {
	dir = strings.TrimSuffix(dir, "/")
	c.Delete(dir + "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil || len(c.fallen) >= gatherMax {
		return
	}
	for _, prefix := range []string{dir + "\x00", dir + "/"} {
		for key := range c.pending {
			if strings.HasPrefix(key, prefix) {
				delete(c.pending, key)
			}
		}
		c.fallen = append(c.fallen, prefix)
	}
	poke(c.wake)
}

func (c *Cache) set(key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil || value != nil && len(c.pending) >= pendingMax {
		return
	}
	c.pending[key] = value
	poke(c.wake)
	if len(c.pending) >= gatherMax {
		poke(c.full)
	}
}

// poke leaves one token.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
