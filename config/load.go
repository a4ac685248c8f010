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
	path, err = configFile()
	if err != nil {
		return "", false, err
	}
	switch _, err := os.Stat(path); {
	case err == nil:
		return path, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", false, nil
	default:
		return "", false, fmt.Errorf("find the configuration: %w", err)
	}
}

// configFile is the place of a configuration that nothing names.
func configFile() (string, error) {
	dir, err := xdg("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", fmt.Errorf("find the configuration: %w", err)
	}
	return filepath.Join(dir, "config.toml"), nil
}

// DefaultPath is where a configuration must be, so that Find finds it.
func DefaultPath() (string, error) {
	if path := os.Getenv(EnvFile); path != "" {
		return filepath.Abs(path)
	}
	return configFile()
}

// Load reads and validates the file at path, and refuses one that another user could
// have written, or that names places where another user could put something. An empty path means the one that
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
	data, err := readTrusted(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	return parseTrusted(data, path)
}

// LoadJob reads the section [job] of the file at path, as Load does, and asks nothing of the places
// that the file names. Without a file it is DefaultJob.
func LoadJob(path string) (Job, error) {
	if path == "" {
		found, ok, err := Find()
		if err != nil {
			return Job{}, err
		}
		if !ok {
			return DefaultJob(), nil
		}
		path = found
	}
	data, err := readTrusted(path)
	if err != nil {
		return Job{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(data, path)
	return c.Job, err
}

// readTrusted reads a file that nobody but root and this user could have written.
func readTrusted(path string) ([]byte, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(full)
	if err != nil {
		return nil, err
	}
	return data, trusted(full, os.Geteuid()) // whoever could have changed it meanwhile, could before
}

// parseTrusted also looks at the places that the text names.
func parseTrusted(data []byte, source string) (Config, error) {
	c, err := Parse(data, source)
	if err != nil {
		return c, err
	}
	return c, c.CheckPlaces()
}

// Default is the embedded configuration: a dir store and a local keyring. It
// fails only where neither $HOME nor the XDG variables say where they go.
func Default() (Config, error) {
	return parseTrusted(defaultFile, "built-in default")
}
