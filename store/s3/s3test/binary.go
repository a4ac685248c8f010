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

// findBinary looks once per process for what tools/versitygw/build makes, $VERSITYGW or
// one in the cache, and builds it if there is none (90 s, once per machine). Any other
// versitygw does not do: it takes no small parts.
var findBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("VERSITYGW"); path != "" {
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
// holds it already. The name carries a hash of what it is built by, so that another
// version is another file; a lock makes test processes that run at once build it only once.
func buildBinary(dir, cache string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.sum", "build"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
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
	path := filepath.Join(cache, fmt.Sprintf("versitygw-%x", sum.Sum(nil))[:26])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if out, err := exec.Command(filepath.Join(dir, "build"), path+".new").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build versitygw: %w\n%s", err, out)
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
