package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// VolumeID names the place where the volume lives, and with it the folder of
// its spool: 32 hexadecimal digits of a SHA-256 over the kind of store and
// either endpoint, bucket and prefix or the absolute path. Whatever else
// changes (credentials, region, key) leaves it as it is.
func (c Config) VolumeID() string {
	parts := []string{"mcfs volume 1", string(c.Store.Kind), c.Store.Endpoint, c.Store.Bucket, c.Store.Prefix}
	if c.Store.Kind == StoreDir {
		parts = []string{"mcfs volume 1", string(c.Store.Kind), c.Store.Path}
	}
	// No part holds a NUL byte: validation refuses control characters.
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// xdg is the folder mcfs below the one that the variable names, or below
// fallback in the home folder. A relative value counts as none.
// https://specifications.freedesktop.org/basedir-spec/latest/
func xdg(variable, fallback string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mcfs"), nil
	}
	home, err := home()
	if err != nil {
		return "", fmt.Errorf("neither $%s nor $HOME is an absolute path: set one", variable)
	}
	return filepath.Join(home, fallback, "mcfs"), nil
}

func home() (string, error) {
	dir, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(dir) {
		return "", errors.New("$HOME is not an absolute path")
	}
	return dir, nil
}

// expandPath makes a configured path absolute: "~/" stands for the home
// folder, and nothing else is replaced. Relative paths are refused, because a
// mount in the background has another working directory.
func expandPath(path string) (string, error) {
	if strings.IndexFunc(path, isControl) >= 0 {
		return "", errors.New("remove the control characters")
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		dir, err := home()
		if err != nil {
			return "", fmt.Errorf("%w: write the path in full", err)
		}
		return filepath.Join(dir, rest), nil
	}
	if !filepath.IsAbs(path) {
		return "", errors.New(`give an absolute path, or one that begins with "~/"`)
	}
	return filepath.Clean(path), nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
