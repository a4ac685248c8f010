package file

// SQLiteHead is how each database of SQLite's begins.
const SQLiteHead = "SQLite format 3\x00"

// IsDatabase reports whether the file is a database of SQLite's, or is just being made, as far as the
// spool can tell, which has what is open.
func (c *Content) IsDatabase() bool {
	c.Lock()
	defer c.Unlock()
	if c.SizeLocked() == 0 {
		return c.Opens > 0
	}
	head := make([]byte, len(SQLiteHead))
	return c.HeadLocked(head) == nil && string(head) == SQLiteHead
}
