package s3test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// The package that is built from the nested module tools/versitygw, which
// pins its version.
const versitygwPackage = "github.com/versity/versitygw/cmd/versitygw"

// findBinary looks once per process for a versitygw: $VERSITYGW, PATH,
// GOPATH/bin, the cache, and then builds one (90 s, once per machine).
var findBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("VERSITYGW"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	gopath, err := goCommand("env", "GOPATH")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath(filepath.Join(gopath, "bin", "versitygw")); err == nil {
		return path, nil
	}
	module, err := goCommand("list", "-m", "-f", "{{.Dir}}", "mcfs")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return buildBinary(filepath.Join(module, "tools", "versitygw"), filepath.Join(cache, "mcfs-test"))
})

// Binary is the server's binary, built if there is none.
func Binary() (string, error) { return findBinary() }

// buildBinary builds the server of the nested module in dir, unless cache
// holds it already. The name carries a hash of go.sum, so that a new version is
// a new file; a lock makes test processes that run at once build it only once.
func buildBinary(dir, cache string) (string, error) {
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and with it goes the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(cache, fmt.Sprintf("versitygw-%x", sha256.Sum256(sum))[:26])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := goCommand("-C", dir, "build", "-o", path+".new", versitygwPackage); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

func goCommand(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
