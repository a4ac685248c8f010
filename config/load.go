package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EnvFile is the environment variable that names the configuration file.
const EnvFile = "MCFS_CONFIG"

// maxFile bounds a configuration file in bytes; whatever is longer is another file.
const maxFile = 1 << 20

//go:embed default.toml
var defaultFile []byte

// Find says which file applies where none is named on the command line:
// $MCFS_CONFIG, which must exist if it is set, else
// $XDG_CONFIG_HOME/mcfs/config.toml (~/.config by default). Without one, found
// is false and Default applies.
func Find() (path string, found bool, err error) {
	if path := os.Getenv(EnvFile); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", false, fmt.Errorf("find the configuration that $%s names: %w", EnvFile, err)
		}
		return path, true, nil
	}
	dir, err := xdg("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", false, fmt.Errorf("find the configuration: %w", err)
	}
	path = filepath.Join(dir, "config.toml")
	switch _, err := os.Stat(path); {
	case err == nil:
		return path, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	default:
		return "", false, fmt.Errorf("find the configuration: %w", err)
	}
}

// Load reads and validates the file at path. An empty path means the one that
// Find finds, else the built-in default.
func Load(path string) (Config, error) {
	if path == "" {
		found, ok, err := Find()
		if err != nil {
			return Config{}, err
		}
		if !ok {
			return Default()
		}
		path = found
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(data, path)
}

// Default is the embedded configuration: a dir store and a local keyring. It
// fails only where neither $HOME nor the XDG variables say where they go.
func Default() (Config, error) {
	return Parse(defaultFile, "built-in default")
}
