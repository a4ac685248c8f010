package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
)

const (
	memoryGoal = 200 << 20 // bytes resident, at most
	smallRun   = 512 << 20 // twice the spool, and more than twice the goal
	smallSpool = 256 << 20
	bigRun     = 20 << 30 // with MCFS_BIG=1, through bigSpool
	bigSpool   = 1 << 30
)

// TestMemory writes a file far larger than the spool, and reads one as large,
// while the daemon stays below 200 MiB. The race detector multiplies memory, so
// the daemon is always built without it.
func TestMemory(t *testing.T) {
	rig.Need(t, "bash", "dd", "openssl", "cmp")
	size, spool := int64(smallRun), int64(smallSpool)
	if os.Getenv("MCFS_BIG") == "1" {
		size, spool = bigRun, bigSpool
	}
	for _, mode := range []string{"CTR", "GCM", "CBC"} {
		t.Run(mode, func(t *testing.T) { memory(t, mode, size, spool) })
	}
}

func memory(t *testing.T, mode string, size, spool int64) {
	sink := rig.StartSink(t)
	r := rig.NewAt(t, rig.Settings{
		"crypt.mode": `"` + mode + `"`, "upload.part_size": `"8MiB"`, "spool.max_size": fmt.Sprint(spool),
	}, sink.URL, sink.Bucket)
	m := r.MountWith(rig.Binary(t, false), "a")
	begun := time.Now()
	if out, err := m.TryShell(20*time.Minute, fmt.Sprintf(`dd if=/dev/zero of=large bs=1M count=%d 2>&1`, size>>20)); err != nil {
		t.Fatalf("dd: %v\n%s", err, out)
	}
	took := time.Since(begun)
	stored := sink.Size(rig.Prefix + "large")
	want := map[string]int64{"CTR": size, "CBC": size + 16, "GCM": size + 16}[mode]
	if stored != want || sink.Size(rig.Prefix+"large"+rig.SidecarSuffix) < 0 {
		t.Errorf("after close the store holds %d bytes, and a sidecar of %d; want %d", stored, sink.Size(rig.Prefix+"large"+rig.SidecarSuffix), want)
	}
	report(t, m, fmt.Sprintf("%s: written %d MiB", mode, size>>20), size, took)
	if mode == "CTR" {
		readLarge(t, r, sink, size)
	}
	m.Unmount()
	if sink.Counts().Uploads != 0 {
		t.Error("an upload was left behind")
	}
}

// readLarge reads zeros, as ciphertext, with a sidecar made by hand: openssl
// says what must come out.
func readLarge(t *testing.T, r *rig.Rig, sink *rig.Sink, size int64) {
	key, iv := bytes.Repeat([]byte{0x5a}, 32), append(bytes.Repeat([]byte{0xc3}, 12), 0, 0, 0, 0)
	wrapped, err := r.KMS.Wrap(0, key, kmstest.Context())
	if err != nil {
		t.Fatal(err)
	}
	side, err := json.Marshal(map[string]any{"DecryptionSettings": map[string]string{
		"DecryptionMode": "AES_CTR", "EncryptedDecryptionKey": base64.StdEncoding.EncodeToString(wrapped),
		"InitializationVector": base64.StdEncoding.EncodeToString(iv),
	}})
	if err != nil {
		t.Fatal(err)
	}
	sink.Hold(rig.Prefix+"by hand", nil, size)
	sink.Hold(rig.Prefix+"by hand"+rig.SidecarSuffix, side, 0)
	m := r.MountWith(rig.Binary(t, false), "reader")
	script := fmt.Sprintf(`head -c %d /dev/zero | openssl enc -d -aes-256-ctr -K %x -iv %x | cmp - "by hand"`, size, key, iv)
	begun := time.Now()
	if out, err := m.TryShell(20*time.Minute, script); err != nil {
		t.Errorf("what is read is not what openssl makes of it: %v\n%s", err, out)
	}
	report(t, m, fmt.Sprintf("CTR: read and compared %d MiB", size>>20), size, time.Since(begun))
	m.Unmount()
}

// report logs what was measured, and judges the memory.
func report(t *testing.T, m *rig.Mount, what string, size int64, took time.Duration) {
	t.Helper()
	peak := status(t, m.PID(), "VmHWM")
	t.Logf("%s in %.1f s, %.0f MiB/s; resident at most %.1f MiB; spool %s", what, took.Seconds(),
		float64(size)/(1<<20)/took.Seconds(), float64(peak)/(1<<20), diskUse(m.Spool))
	if peak > memoryGoal {
		t.Errorf("%s: %d MiB were resident, the goal is %d", what, peak>>20, memoryGoal>>20)
	}
}

func diskUse(dir string) string {
	out, _ := exec.Command("du", "-sh", dir).Output()
	size, _, _ := strings.Cut(string(out), "\t")
	return size
}

// status reads a size from /proc/PID/status, in bytes.
func status(t *testing.T, pid int, field string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("no %s in the status of %d", field, pid)
	return 0
}
