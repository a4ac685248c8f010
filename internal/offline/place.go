package offline

import (
	"path/filepath"
	"strings"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/mounts"
	"mcfs/internal/verdict"
	"mcfs/volume/naming"
)

// Place is where something is, or is to be, in a volume.
type Place struct {
	Key    string // "": all of the volume
	Folder bool   // it ends with a slash, or is all of the volume
}

// prefix is what the keys below a place begin with.
func (p Place) prefix() string {
	if p.Key == "" {
		return ""
	}
	return strings.TrimSuffix(p.Key, "/") + "/"
}

// ParsePlace reads an address in the bucket of a configuration, or a path below the folder of its
// dir store.
func ParsePlace(c config.Config, text string) (Place, error) {
	key, ok := keyOf(c, text)
	if !ok {
		return Place{}, verdict.Errorf(verdict.NotInVolume, "give an address like "+example(c)+", or choose another configuration with --config",
			"%s is not in the volume of this configuration", human.Quoted(text))
	}
	p := Place{Key: strings.TrimSuffix(key, "/"), Folder: key == "" || strings.HasSuffix(key, "/")}
	for _, elem := range strings.Split(p.Key, "/") {
		if p.Key != "" && !naming.Showable(elem) {
			return Place{}, verdict.Errorf(verdict.Usage, "give another", "%s: no file can be called so in a mount", human.Quoted(text))
		}
	}
	return p, nil
}

func keyOf(c config.Config, text string) (key string, ok bool) {
	if strings.HasPrefix(text, "s3://") {
		key, ok = strings.CutPrefix(text, home(c))
		return key, ok && c.Store.Bucket != ""
	}
	if c.Store.Kind != config.StoreDir {
		return "", false
	}
	full, err := filepath.Abs(text)
	if err != nil {
		return "", false
	}
	root := mounts.Real(c.Store.Path)
	full = mounts.Real(full)
	if !mounts.Within(full, root) {
		return "", false
	}
	key = filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(full, root), string(filepath.Separator)))
	if strings.HasSuffix(text, "/") && key != "" {
		key += "/"
	}
	return key, true
}

// home is what every address of a volume begins with.
func home(c config.Config) string { return "s3://" + c.Store.Bucket + "/" + c.Store.Prefix }

// example is an address for a message.
func example(c config.Config) string {
	if c.Store.Bucket == "" {
		return filepath.Join(c.Store.Path, "film.mov")
	}
	return home(c) + "film.mov"
}

// name is what a person calls a key.
func (v *Volume) name(key string) string { return nameOf(v.c, key) }

func nameOf(c config.Config, key string) string {
	if c.Store.Bucket == "" {
		return filepath.Join(c.Store.Path, filepath.FromSlash(key))
	}
	return home(c) + key
}

// checkKey refuses a key that cannot be shown in a mount, or has no room for its sidecar's.
func (v *Volume) checkKey(key string) error {
	for _, elem := range strings.Split(key, "/") {
		if !naming.Showable(elem) {
			return verdict.Errorf(verdict.Usage, "rename it", "%s: no file can be called so in a mount", human.Quoted(key))
		}
	}
	if err := naming.CheckSidecar(key); err != nil {
		return verdict.Errorf(verdict.Usage, "give it a shorter name", "%s: %w", human.Quoted(key), err)
	}
	return v.store.CheckKey(key)
}
