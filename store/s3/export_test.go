package s3

// SetCopyPart lets a test copy by small ranges.
func (s *Store) SetCopyPart(n int64) { s.copySize = n }
