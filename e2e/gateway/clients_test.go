package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestTwoClients opens one file from two clients: who wants it alone has it alone, and who reads sees what the
// other has written, also one that had been told that nobody else has it.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	r, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.mac(`
other = Share()
h, _ = mac.open('a.mov', share=ALONE)
check('not shared', refused(lambda: other.open('a.mov')), 'STATUS_SHARING_VIOLATION')
mac.write(h, b'one')
mac.close(h)
check('closed', other.get('a.mov'), b'one')
h, _ = mac.open('a.mov', how=OPEN_IT)
mac.write(h, b'two')
check('open', other.get('a.mov'), b'two')
check('not removed', refused(lambda: other.open('a.mov', DELETE, share=ALONE, how=OPEN_IT)), 'STATUS_SHARING_VIOLATION')
mac.close(h)
# One that may keep what it writes is asked for it before another reads.
h, _ = mac.open('kept.mov', oplock=BATCH)
def give():
    mac.broken(h)
    mac.write(h, b'what was kept')
    mac.yields(h)
holder = threading.Thread(target=give)
holder.start()
check('after the break', other.get('kept.mov'), b'what was kept')
holder.join()
mac.close(h)
`)
	r.Settle(30*time.Second, []string{"a.mov", "kept.mov"})
	r.Truth(m)
	m.Unmount()
}

// TestCutConnection pulls the cable amid a save. The client comes back to its open file and finishes; the bucket
// has the whole in the end. One that does not come back leaves what it had sent.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	r, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.mac(`
first, second = noise(1000000), noise(500000)
id = noise(16)
h, told = mac.open('film.mov', oplock=BATCH, attach=context(b'DH2Q', struct.pack('<LLQ', 60000, 0, 0) + id))
check('durable', b'DH2Q' in told, True)
mac.write(h, first)
mac.drop()
back = Share()
h, _ = back.again('film.mov', h, id)
back.write(h, second, len(first))
back.close(h)
check('whole', back.get('film.mov'), first + second)
h, _ = back.open('gone.mov')
back.write(h, first)
back.drop()
`)
	r.Settle(time.Minute, []string{"film.mov", "gone.mov"})
	if got := strings.Fields(m.Run("stat", "-c", "%s", "film.mov", "gone.mov")); got[0] != "1500000" || got[1] != "1000000" {
		t.Errorf("the sizes are %q", got)
	}
	r.Truth(m)
	m.Unmount()
}

// TestStoreIsAway closes files while S3 does not answer. With durability = "upload" the client is told that the close
// has failed, with "spool" that it is saved; either way the file is there, and in S3 once that is back.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	for durability, told := range map[string]string{"upload": "STATUS_IO_DEVICE_ERROR", "spool": "nothing"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			r, m := mount(t, rig.Settings{"mount.durability": `"` + durability + `"`, "upload.timeout": `"5s"`, "mount.fresh": `"1m"`})
			m.Expect(`level=ERROR.*(draft|upload|commit)`)
			g := serve(t, m, "", nil)
			g.mac(`mac.put('before.mov', noise(1000))`)
			r.Settle(30*time.Second, []string{"before.mov"})
			r.S3.Signal(syscall.SIGSTOP)
			g.mac(`
film = noise(300000)
h, _ = mac.open('film.mov')
mac.write(h, film)
mac.flush(h)
check('close', refused(lambda: mac.close(h)), sys.argv[5])
check('the file', mac.get('film.mov'), film)
`, told)
			r.S3.Signal(syscall.SIGCONT)
			r.Settle(time.Minute, []string{"before.mov", "film.mov"})
			r.Truth(m)
			m.Unmount()
		})
	}
}

// TestNotMounted connects while nothing is mounted: nobody gets in, and the folder below takes nothing.
func TestNotMounted(t *testing.T) {
	t.Parallel()
	_, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.client("mkdir there")
	m.Unmount()
	if err := os.Chmod(m.Dir, 0o777); err != nil { // as nobody should have it
		t.Fatal(err)
	}
	out, err := g.smbclient("put " + g.conf + " plaintext")
	if err == nil || !strings.Contains(out, "NT_STATUS_ACCESS_DENIED") {
		t.Errorf("without a mount: %v\n%s", err, out)
	}
	if left, err := filepath.Glob(m.Dir + "/*"); err != nil || len(left) > 0 {
		t.Errorf("the folder below has %q (%v)", left, err)
	}
	again := m.Again()
	g.client("rmdir there; mkdir here")
	again.Unmount()
}

// TestWhoConnects refuses clients that cannot encrypt, and those whose password is wrong.
func TestWhoConnects(t *testing.T) {
	t.Parallel()
	_, m := mount(t, nil)
	g := serve(t, m, "", nil)
	for _, flags := range [][]string{{"-m", "SMB2_10"}, {"-U", login + "%wrong"}, {"-N", "-U", "%"}} {
		if out, err := g.smbclient("ls", flags...); err == nil {
			t.Errorf("smbclient %q: connected\n%s", flags, out)
		}
	}
	g.client("ls")
	if log := g.log(); strings.Contains(strings.ToLower(log), "unknown parameter") {
		t.Errorf("smbd does not know what the configuration says:\n%s", log)
	}
	m.Unmount()
}
