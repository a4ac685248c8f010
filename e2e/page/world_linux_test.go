package page

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

const (
	part    = 256 << 10
	parts   = 40 // of the film
	hostile = "<img src=x onerror=document.title='run'>\n\u202egpj"
)

// gates are the parts of the film from which on others wait. Behind each the film gets further by as
// many as are under way at once.
var gates = []int{6, 14, 22}

// world is a mount with one of each kind, and its page.
type world struct {
	*rig.Rig
	m    *rig.Mount
	page string // address, with the token

	daemon string // origin of the page that the daemon shows

	mu   sync.Mutex
	gate map[int]chan struct{} // parts of the film from that number on wait
}

// let is what becomes of a request: parts of the film wait at the gates, what is in denied is refused.
func (w *world) let(q s3test.Request) s3test.Fault {
	if strings.Contains(q.Path, "/denied/") && !strings.HasSuffix(q.Path, "/") && (q.Method == http.MethodPut || q.Method == http.MethodPost) {
		return s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	}
	if q.Op != "UploadPart" || !strings.HasSuffix(q.Path, "/film.mov") {
		return s3test.Fault{}
	}
	n, _ := strconv.Atoi(q.Query.Get("partNumber"))
	w.mu.Lock()
	defer w.mu.Unlock()
	for from := n; from > 0; from-- {
		if gate := w.gate[from]; gate != nil {
			return s3test.Fault{Gate: gate}
		}
	}
	return s3test.Fault{}
}

func (w *world) save(t *testing.T, name string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.m.Path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.m.Path(name), bytes.Repeat([]byte("moving pictures "), size/16), 0o644); err != nil {
		t.Fatal(err)
	}
}

// begin saves a film that waits for the gates, files that S3 refuses, one that another machine has saved
// meanwhile, and one that is done. Then it shows the page.
func begin(t *testing.T, refused ...string) *world {
	t.Helper()
	r := rig.NewSmall(t, rig.Settings{"mount.durability": `"spool"`, "upload.timeout": `"10m"`, "web.listen": strconv.Quote(freeAddress(t))}, part, 64<<20)
	w := &world{Rig: r, gate: map[int]chan struct{}{}}
	for _, from := range gates {
		w.gate[from] = make(chan struct{})
	}
	r.S3.Proxy.Hook(w.let)
	w.m = r.Mount("a")
	w.m.Expect("AccessDenied|access denied|conflict|another machine")
	w.save(t, "day1/saved.mov", 4096)
	if out, err := w.m.Mcfs(patience, "sync", w.m.Path("day1")); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	f, err := os.Create(w.m.Path("clash.mov"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("ours"); err != nil {
		t.Fatal(err)
	}
	r.Put(rig.Prefix+"clash.mov", rig.Object{Body: []byte("another machine's")})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range refused {
		w.save(t, "denied/"+name, 4096)
	}
	w.save(t, "film.mov", parts*part)
	w.page = w.show(t)
	return w
}

// moves opens a gate, and waits until the page has the film further.
func (w *world) moves(b *tab, from int) {
	b.t.Helper()
	bar := rowOf("film.mov") + "?.querySelector('progress')?.value"
	b.await(bar + " > 0")
	before := value[float64](b, bar)
	w.open(from)
	b.await(bar + " > " + strconv.FormatFloat(before, 'f', -1, 64))
}

// freeAddress is one of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// show runs mcfs status --web until the test ends.
func (w *world) show(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(rig.Binary(t, rig.Race), "status", "--web", w.m.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("mcfs status --web: %v", err)
		}
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// end opens the gates and the store, and unmounts.
func (w *world) end() {
	for _, from := range gates {
		w.open(from)
	}
	w.S3.Proxy.Reset()
	w.m.Unmount()
}

func (w *world) open(from int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gate := w.gate[from]; gate != nil {
		close(gate)
		delete(w.gate, from)
	}
}

// rowOf is a row of the page by what it names, in JavaScript.
func rowOf(name string) string {
	return "[...document.querySelectorAll('li')].find((li) => li.querySelector('.name')?.textContent === " + strconv.Quote(name) + ")"
}
