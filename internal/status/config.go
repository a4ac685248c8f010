package status

import (
	"context"
	"os"
	"path/filepath"

	"mcfs/fs"
	"mcfs/internal/mounts"
)

// ConfigOf is the configuration of the mount in which a path lies; "" if it has none that
// this user may read, or is another user's.
func ConfigOf(ctx context.Context, path string) string {
	table := fs.Mounts()
	at, inside, mounted, err := mounts.Locate(path, table)
	if err != nil || !mounted || !maySay(table[at], os.Geteuid()) {
		return ""
	}
	r, err := Ask(ctx, mounts.Daemon(at, table[at]), inside)
	if err != nil || !filepath.IsAbs(r.Config) {
		return ""
	}
	f, err := os.Open(r.Config)
	if err != nil {
		return ""
	}
	f.Close()
	return r.Config
}

// maySay reports whether whoever has made a mount may say where a user's outputs go: the user, or
// root.
func maySay(m fs.Mounted, uid int) bool { return m.UID == 0 || m.UID == uid }
