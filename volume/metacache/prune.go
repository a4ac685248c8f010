package metacache

import (
	"strings"

	bolt "go.etcd.io/bbolt"
)

// Prune forgets what is kept of names that a whole listing of a directory ("" is
// the root) does not show any more. shown is asked for each name, a directory's
// ending in "/"; it must not call the cache.
func (c *Cache) Prune(dir string, shown func(name string) bool) {
	c.mu.Lock()
	db := c.db
	c.mu.Unlock()
	if db == nil {
		return
	}
	prefix := dir + "\x00"
	var gone []string
	err := guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			cur := tx.Bucket(bucketEntries).Cursor()
			for k, _ := cur.Seek([]byte(prefix)); k != nil; k, _ = cur.Next() {
				name, ok := strings.CutPrefix(string(k), prefix)
				if !ok {
					break
				}
				if !shown(name) {
					gone = append(gone, name)
				}
			}
			return nil
		})
	})
	if err != nil {
		c.giveUp(err)
		return
	}
	for _, name := range gone {
		object := name
		if dir != "" {
			object = dir + "/" + name
		}
		if strings.HasSuffix(name, "/") {
			c.DeleteBelow(object)
		} else {
			c.Delete(object)
		}
	}
}
