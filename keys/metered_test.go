package keys

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestMetered(t *testing.T) {
	var told []string
	m := Metered{
		Keeper: createLocal(t, filepath.Join(t.TempDir(), "keyring")),
		Tell: func(call string, took time.Duration, err error) {
			if took < 0 {
				t.Errorf("%s took %v", call, took)
			}
			told = append(told, fmt.Sprint(call, " ", err == nil))
		},
	}
	ctx := t.Context()
	k, err := m.New(ctx, 256)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { return m.Check(ctx) },
		func() error { _, err := m.Unwrap(ctx, k.Wrapped, k.KeyID); return err },
		func() error { _, err := m.Wrap(ctx, k.Plain); return err },
		func() error { _, _, err := m.Rewrap(ctx, k.Wrapped, k.KeyID); return err },
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.New(ended, 256); err == nil {
		t.Error("a key was made for nobody")
	}
	want := []string{"new true", "check true", "unwrap true", "wrap true", "rewrap true", "new false"}
	if !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}
