package e2e

import (
	"os"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

func writeFile(path, content string) error { return os.WriteFile(path, []byte(content), 0o644) }

// TestGCMLimit writes past the 2^36 − 32 bytes that GCM allows (NIST SP
// 800-38D, section 5.2.1.1): EFBIG, at once, and nothing lost.
func TestGCMLimit(t *testing.T) {
	rig.Need(t, "dd", "bash")
	r := rig.New(t, rig.Settings{"crypt.mode": `"GCM"`})
	m := r.Mount("a")
	m.Shell(`echo kept >f`)
	begun := time.Now()
	for _, at := range []string{"68719476704", "68719476703", "68719476700", "99999999999"} {
		out, err := m.TryShell(20*time.Second, `printf 0123456789 | dd of=f bs=10 seek=`+at+` oflag=seek_bytes conv=notrunc`)
		if err == nil || !strings.Contains(out, "File too large") {
			t.Fatalf("a write of 10 bytes at %s: %v, %s", at, err, out)
		}
	}
	if out, err := m.TryShell(20*time.Second, `truncate -s 68719476705 f`); err == nil || !strings.Contains(out, "File too large") {
		t.Fatalf("truncate past the limit: %v, %s", err, out)
	}
	if took := time.Since(begun); took > rig.Soon {
		t.Errorf("the refusals took %v", took)
	}
	if got := m.Run("cat", "f"); got != "kept\n" {
		t.Errorf("the file now holds %q", got)
	}
	m.Unmount()
	r.Settle(time.Second, []string{"f"})
	r.Proof()
}
