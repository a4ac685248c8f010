package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLoadJob: the section is read whatever the places are that a file names, and from no file that
// somebody else could have written.
func TestLoadJob(t *testing.T) {
	home := testHome(t)
	loose, file := filepath.Join(home, "loose"), filepath.Join(home, "mcfs.toml")
	text := minimal + "\nspool.dir = '" + filepath.Join(loose, "spool") + "'\njob.queue = 'Fast'\n"
	if err := errors.Join(os.Mkdir(loose, 0o700), os.Chmod(loose, 0o777), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil {
		t.Fatal("Load takes a spool where others may write")
	}
	if j, err := LoadJob(file); err != nil || j.Queue != "Fast" || j.Jobs != 4 {
		t.Errorf("%+v, %v", j, err)
	}
	if err := os.Chmod(file, 0o622); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadJob(file); err == nil {
		t.Error("a file that others may write is read")
	}
	if j, err := LoadJob(""); err != nil || j.Case != CasePascal {
		t.Errorf("without a file: %+v, %v", j, err)
	}
	t.Setenv(EnvFile, filepath.Join(home, "absent"))
	if _, err := LoadJob(""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is named and is not there: %v", err)
	}
}
