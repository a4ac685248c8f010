package setup

import (
	"fmt"

	"mcfs/config"
	"mcfs/internal/mounts"
)

// CheckPlaces refuses the daemon's own files below its mountpoint, and the mountpoint below
// them: the daemon would wait for itself.
func CheckPlaces(mountpoint string, c config.Config, logFile string) error {
	places := []struct{ what, path, key string }{{"the spool", c.Spool.Dir, "spool.dir"}, {"the log", logFile, "--log-file"}}
	if c.Store.Kind == config.StoreDir {
		places = append(places, struct{ what, path, key string }{"the store", c.Store.Path, "store.path"})
	}
	if c.Keys.Kind == config.KeysLocal {
		places = append(places, struct{ what, path, key string }{"the keyring", c.Keys.Path, "keys.path"})
	}
	for _, w := range c.Watch {
		if w.TemplateIsFile() {
			places = append(places, struct{ what, path, key string }{"the template", w.Template, "watch.template"})
		}
	}
	for _, p := range places {
		if p.path == "" {
			continue
		}
		real := mounts.Real(p.path)
		if mounts.Within(real, mountpoint) {
			return fmt.Errorf("%s %s lies inside the mountpoint %s: move one of them (%s)", p.what, p.path, mountpoint, p.key)
		}
		if p.what != "the log" && mounts.Within(mountpoint, real) {
			return fmt.Errorf("the mountpoint %s lies inside %s %s: move one of them (%s)", mountpoint, p.what, p.path, p.key)
		}
	}
	return nil
}
