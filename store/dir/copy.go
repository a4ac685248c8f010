package dir

import (
	"context"
	"fmt"
	"os"

	"mcfs/store"
)

// Copy copies within the store. The copy is a file of its own: a hard link
// would share the modification time that names a generation, and what somebody
// changes in one.
func (s *Store) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	if err := s.start(ctx, "copy", c.Source, store.Attributes{}, store.Condition{}); err != nil {
		return store.Info{}, err
	}
	if err := s.start(ctx, "copy to", c.Target, c.Attributes, c.Condition); err != nil {
		return store.Info{}, err
	}
	if c.SourceIfMatch == "" || c.Size < 0 {
		return store.Info{}, fmt.Errorf("copy %s: the source's ETag and size are required", c.Source)
	}
	info, err := s.copy(ctx, c)
	return info, failure("copy to "+c.Target+" from", c.Source, err)
}

func (s *Store) copy(ctx context.Context, c store.Copy) (store.Info, error) {
	source, o, err := s.openFound(c.Source)
	if err != nil {
		return store.Info{}, err
	}
	defer source.Close()
	if o.meta.ETag != c.SourceIfMatch {
		return store.Info{}, fmt.Errorf("source: %w", store.ErrPrecondition)
	}
	return s.write(ctx, newMeta(c.Target, c.Attributes), c.Condition, nil, func(tmp *os.File) error {
		return copyFile(ctx, tmp, source, o.fi.Size())
	})
}
