package dir

import "golang.org/x/sys/unix"

// Room is how many bytes the directory's disk has, and of them has left for this user.
func (s *Store) Room() (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.root, &st); err != nil {
		return 0, 0, failure("ask for the room of", s.root, err)
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}
