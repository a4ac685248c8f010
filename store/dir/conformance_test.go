package dir_test

import (
	"testing"

	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, path string) *dir.Store {
	t.Helper()
	s, err := dir.New(dir.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
