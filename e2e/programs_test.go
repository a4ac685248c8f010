package e2e

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// groups are scripts of ordinary programs. Each runs in a local directory and
// in the mount; what they print, how they end and what they leave must be the
// same. TREE is a local directory to copy from.
var groups = []struct {
	name, script string
}{
	{"shell", `
echo x >f; cat f; echo y >>f; cat f; : >f; echo z >>f; cat f
(ls -I '*.settings.json'; ls -I '*.settings.json') >list; cat list
echo one >both 2>&1; { echo a; echo b >&2; } >both 2>&1; cat both
printf '' >nothing; touch new; touch -d '2020-02-02 02:02:02 UTC' new
stat -c '%n %s %a %h %F' f list nothing new; stat -c %Y new; touch -a new; stat -c %Y new
for i in 1 2 3 4 5; do echo $i >>log; done; cat log
cat missing || echo status $?
cat <f >g; wc -c f g; tee t1 t2 <list >t3; cmp t1 t2; cmp t2 t3
[ -f f ]; [ ! -e missing ]; [ -s f ]; [ ! -s nothing ]`},
	{"copies", `
cp "$TREE/numbers.txt" n; cp -p "$TREE/numbers.txt" p; stat -c '%n %s' n p; stat -c '%a %y' p
cp n n2; cmp n n2; cp -r "$TREE/sub dir" copy; cp -f n p; cmp n p
cp --preserve=timestamps "$TREE/block" b; stat -c %y b; install -m 750 b installed; stat -c %a installed
ln -s n soft; readlink soft; head -n 2 soft; ln -sfn p soft; readlink soft; cp -P soft soft2; readlink soft2; rm soft; ls n p; mv soft2 soft3; readlink soft3; cp soft3 hardcopy; cmp p hardcopy`},
	{"names", `
echo old >a; echo new >b; mv b a; cat a; mv a c; mv c a; ls a; ls b 2>/dev/null || echo gone
mkdir d; rmdir d; mkdir -p e/f/g; echo deep >e/f/g/h; mv e i; cat i/f/g/h; mv i/f i/k; find i | grep -v settings.json | sort
rmdir i 2>/dev/null || echo not empty; rm i/k/g/h; rmdir i/k/g; mkdir -p r/s/t; echo 1 >r/1; echo 2 >r/s/2; rm -r r; ls r 2>/dev/null || echo gone
mkdir -p keep/x; echo k >keep/x/k; mv a keep/x/; mv -n keep/x/k keep/x/a; cat keep/x/a keep/x/k; rm -f nothing; rm keep/x/k
mkdir full; echo x >full/x; mkdir -p other/full; mv -T other/full full 2>/dev/null || echo refused; mv -T full other/full; cat other/full/x`},
	{"dd", `
dd if="$TREE/sub dir/deeper/parts.bin" of=d bs=65536 2>/dev/null; cksum d
dd if=/dev/zero of=d bs=777 count=5 seek=3 conv=notrunc 2>/dev/null; cksum d
dd if="$TREE/block" of=d bs=1000 oflag=append conv=notrunc 2>/dev/null; cksum d
dd if="$TREE/block" of=d bs=333 seek=7777 conv=notrunc 2>/dev/null; cksum d
dd if="$TREE/block" of=sparse bs=1M seek=3 2>/dev/null; cksum sparse; stat -c %s sparse
dd if="$TREE/numbers.txt" of=d2 bs=13 conv=fsync 2>/dev/null; cksum d2; dd if=d2 bs=7 skip=100 count=3 2>/dev/null | cksum
truncate -s 100 d2; cksum d2; truncate -s 1M d2; cksum d2; truncate -s +5 d2; truncate -s -3 d2; stat -c %s d2; truncate -s 0 d2; truncate -s 70000 d2; cksum d2
head -c 1000 d | cksum; tail -c 1000 d | cksum; tail -n 2 "$TREE/numbers.txt" >>d; tail -n 2 d; head -c 200000 d >h; cksum h`},
	{"edits", `
cp "$TREE/numbers.txt" n; chmod 644 n; sed -i 's/^1/one /' n; head -n 3 n; cksum n; chmod 640 n; stat -c %a n
sort -r -o n n; head -n 2 n; grep -c 9 n; awk 'NR % 2' n >n.tmp; mv n.tmp n; cksum n
printf 'abc\n' >w; exec 3<>w; printf X >&3; read -r rest <&3; echo "$rest"; exec 3>&-; cat w
exec 4>>w; echo more >&4; echo again >&4; exec 4>&-; cat w; chmod 000 w; chmod 600 w; touch -r n w
python3 -c "
f = open('py', 'wb+'); f.write(b'0123456789' * 10000); f.seek(5); f.write(b'middle'); f.seek(0); assert f.read(20) == b'01234middle123456789', f
f.truncate(50000); f.close()"; cksum py`},
	{"tar", `
tar cf t.tar -C "$TREE" .; mkdir x; tar --warning=no-timestamp -xf t.tar -C x; tar tf t.tar | sort; (cd x && ` + describe + ` | grep -v '|d|')
tar --exclude '*.settings.json' -czf z.tgz x; rm -r x; mkdir y; tar --warning=no-timestamp -xzf z.tgz -C y; diff -r --no-dereference -x '*.settings.json' "$TREE" y/x; rm z.tgz t.tar`},
	{"rsync", `
rsync -a "$TREE/" r/; diff -r --no-dereference -x '*.settings.json' "$TREE" r; (cd r && ` + describe + `)
echo changed >>r/numbers.txt 2>/dev/null || true; rsync -a --checksum "$TREE/" r/; cmp "$TREE/numbers.txt" r/numbers.txt
rsync -a --inplace "$TREE/" s/; rm s/one; echo extra >s/extra; rsync -a --delete "$TREE/" s/; ls s/extra 2>/dev/null || echo gone; cat s/one; echo
rsync -a --delete --exclude '*.settings.json' "$TREE/" s/; diff -r --no-dereference -x '*.settings.json' r s`},
	{"many", `
mkdir m; for i in $(seq 1 60); do echo "file $i" >m/$i; done; cat m/? m/?? | cksum; rm m/1?; find m -type f -not -name '*.settings.json' | sort; find m -name '2*' -not -name '*.settings.json' -delete; cat m/* 2>/dev/null | grep -c '^file'`},
}

// TestOrdinaryPrograms runs what people run, and after each group proves what S3 holds.
func TestOrdinaryPrograms(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "cp", "dd", "tar", "rsync", "find", "diff", "cmp", "python3")
	tree := makeTree(t)
	r := rig.New(t, nil)
	local := t.TempDir()
	m := r.Mount("a")
	for _, g := range groups {
		before := len(r.S3.Proxy.Requests())
		ordinary(t, r, m, g.name, "TREE='"+tree+"'\nmkdir "+g.name+"; cd "+g.name+g.script, local)
		if g.name == "rsync" {
			checkRsync(t, r, before)
		}
		if t.Failed() {
			break // the groups after it would repeat it
		}
	}
	m.Unmount()
	if !t.Failed() {
		checkTree(t, r, local)
	}
}

func ordinary(t *testing.T, r *rig.Rig, m *rig.Mount, name, script, local string) {
	t.Helper()
	want, wantStatus := localOutput(t, local, script)
	got, err := m.TryShell(rig.Limit, script)
	// wc, cat and cmp of the tree are the same; what a count of lines meets is not: sidecars are listed.
	if name == "many" {
		want, got = dropLast(want), dropLast(got)
	}
	if got != want || rig.Status(err) != wantStatus {
		t.Errorf("%s: in the mount, status %d:\n%s\nin a local directory, status %d:\n%s", name, rig.Status(err), got, wantStatus, want)
		return
	}
	m.Run("diff", "-r", "--no-dereference", "-x", "*.settings.json", local, ".")
	checkTree(t, r, local)
}

func dropLast(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[:strings.LastIndexByte(s, '\n')+1]
}

var rsyncTemporary = regexp.MustCompile(`^\..+\.[A-Za-z0-9]{6}$`)

// checkRsync demands that S3 never heard of rsync's temporary files, and that
// each file of its first run was put once (P6).
func checkRsync(t *testing.T, r *rig.Rig, from int) {
	t.Helper()
	puts := make(map[string]int)
	for _, q := range r.S3.Proxy.Requests()[from:] {
		if name := path.Base(q.Path); rsyncTemporary.MatchString(strings.TrimSuffix(name, rig.SidecarSuffix)) {
			t.Errorf("%s of rsync's temporary file %s", q.Op, name)
		}
		if q.Status < 300 && (q.Op == "PutObject" || q.Op == "CompleteMultipartUpload") {
			puts[strings.TrimPrefix(q.Path, "/"+r.S3.Bucket+"/"+rig.Prefix)]++
		}
	}
	for _, name := range []string{"rsync/r/block", "rsync/r/sub dir/deeper/parts.bin", "rsync/r/empty"} {
		if puts[name] != 1 {
			t.Errorf("%s was put %d times, not once", name, puts[name])
		}
	}
}

// TestDescriptorsDoNotLeak opens and closes many files and counts what the
// daemon has open afterwards.
func TestDescriptorsDoNotLeak(t *testing.T) {
	t.Parallel()
	r := rig.New(t, nil)
	m := r.Mount("a")
	open := func() []string {
		entries, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(m.PID()), "fd", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			if entries[i], err = os.Readlink(e); err != nil {
				entries[i] = "closed"
			}
		}
		return slices.Sorted(slices.Values(entries))
	}
	const kept = 40 // connections to the store that wait for the next request: 32, and KMS's
	round := `for i in $(seq 1 50); do echo $i >f$i; cat f$i >/dev/null; done; rm f*[0-9]; echo x >last`
	m.Shell(round)
	r.Settle(20*time.Second, []string{"last"})
	first := open()
	for range 6 {
		m.Shell(round)
	}
	r.Settle(20*time.Second, []string{"last"})
	var last []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if last = open(); len(last) <= len(first)+kept {
			break
		}
	}
	if len(last) > len(first)+kept {
		t.Errorf("%d descriptors after 50 files, %d after 350:\n%s", len(first), len(last), strings.Join(last, "\n"))
	}
	m.Unmount()
}
