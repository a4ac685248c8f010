package page

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"mcfs/sidecar"
)

// TestPage: a person sees in Chromium what becomes of files, and copies what MediaConvert asks for.
func TestPage(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	w := begin(t, "reel.mov", hostile, strings.Repeat("w", 241))
	b := open(t)
	t.Logf("%v until all has begun", time.Since(begun))
	origin, _, _ := strings.Cut(w.page, "/?")
	for _, step := range []struct {
		name string
		do   func(t *testing.T, w *world, b *tab, origin string)
	}{
		{"strangers", strangers}, {"what there is", shows}, {"narrow", narrow}, {"dark and light", schemes}, {"keyboard", keyboard}, {"copy", copies}, {"live", live}, {"daemon", daemons},
	} {
		begun := time.Now()
		if !t.Run(step.name, func(t *testing.T) {
			b.t = t
			step.do(t, w, b, origin)
		}) {
			break
		}
		t.Logf("%s: %v", step.name, time.Since(begun))
	}
	b.t = t
	w.end()
	b.await("document.getElementById('connection').textContent.startsWith('mcfs has ended')")
	if list := b.strangers(origin, w.daemon, "http://evil.example:", "about:"); len(list) > 0 {
		t.Errorf("the page has asked for %q", list)
	}
}

// strangers: without the token, and under a name that somebody else's server gives this machine, there
// is nothing, not even to a browser that has the cookie.
func strangers(t *testing.T, w *world, b *tab, origin string) {
	if code := b.status(origin + "/?token=" + strings.Repeat("A", 43)); code != http.StatusForbidden {
		t.Errorf("a wrong token: %d", code)
	}
	if code := b.status(w.page); code != http.StatusOK {
		t.Errorf("the token: %d", code)
	}
	if at := value[string](b, "location.href"); at != origin+"/" {
		t.Errorf("the page stands at %s", at)
	}
	if cookies := value[string](b, "document.cookie"); cookies != "" {
		t.Errorf("a script reads %s", cookies)
	}
	for _, path := range []string{"/", "/" + w.page[len(origin)+1:]} {
		if code := b.status(strings.Replace(origin, "127.0.0.1", "evil.example", 1) + path); code != http.StatusForbidden {
			t.Errorf("under another name: %d", code)
		}
	}
	if code := b.status(origin + "/"); code != http.StatusOK {
		t.Errorf("the cookie: %d", code)
	}
}

// shows: each kind is there, names are text, and axe-core finds nothing.
func shows(t *testing.T, _ *world, b *tab, _ string) {
	b.await(rowOf("denied/reel.mov") + "?.innerText.includes('Cure: give credentials that may use the bucket')")
	b.await(rowOf("film.mov") + "?.querySelector('progress').value > 0")
	b.await("document.body.innerText.includes('another machine had saved clash.mov')")
	b.await(rowOf("day1/saved.mov") + "?.querySelector('a')")
	b.await(`document.body.innerText.includes("\\u202egpj")`)
	b.await("document.getElementById('summary').textContent === 'Failures: 3. Conflicts: 1.'")
	if title := value[string](b, "document.title"); title != "mcfs status" || value[int](b, "document.images.length") != 0 {
		t.Errorf("a name was more than text: the title is %q", title)
	}
	if found := b.axe(); found != "" {
		t.Errorf("axe-core finds:\n%s", found)
	}
}

// narrow: on a telephone nothing has to be pushed sideways, whatever is called how.
func narrow(t *testing.T, _ *world, b *tab, _ string) {
	b.do("be narrow", chromedp.EmulateViewport(360, 740))
	if width := value[int](b, "document.documentElement.scrollWidth"); width > 360 {
		t.Errorf("the page is %d wide", width)
	}
	if found := b.axe(); found != "" {
		t.Errorf("axe-core finds:\n%s", found)
	}
	b.do("be wide", chromedp.EmulateViewport(1000, 900))
}

// schemes: the page is dark where the desktop is, and can be read in both.
func schemes(t *testing.T, _ *world, b *tab, _ string) {
	seen := make(map[string]string)
	for _, which := range []string{"dark", "light"} {
		b.scheme(which)
		seen[which] = value[string](b, "getComputedStyle(document.body).backgroundColor")
		if found := b.axe(); found != "" {
			t.Errorf("axe-core finds, where it is %s:\n%s", which, found)
		}
	}
	if seen["dark"] == seen["light"] {
		t.Errorf("both are %s", seen["dark"])
	}
}

// keyboard: Tab leads to everything that can be used, in order and to be seen, and stays there while
// the page changes.
func keyboard(t *testing.T, w *world, b *tab, _ string) {
	value[bool](b, "document.activeElement.blur(), true")
	want := value[[]string](b, "[...document.querySelectorAll('a, button, input:not([type=hidden])')].map((e) => e.id || e.textContent)")
	if len(want) < 3 {
		t.Fatalf("only %q can be used", want)
	}
	var got []string
	for range want {
		b.do("Tab", chromedp.KeyEvent(kb.Tab))
		got = append(got, value[string](b, "document.activeElement.id || document.activeElement.textContent"))
		if value[string](b, "getComputedStyle(document.activeElement).outlineStyle") == "none" {
			t.Errorf("the focus at %s is not to be seen", got[len(got)-1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Tab leads to\n%q\nnot\n%q", got, want)
	}
	value[bool](b, "document.querySelector('input[name=path]').focus(), true")
	b.do("type", chromedp.KeyEvent("day1/sa"))
	w.moves(b, 6)
	resp, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent("ved.mov"+kb.Enter))
	if err != nil || resp == nil || resp.Status != http.StatusOK {
		t.Fatalf("Enter leads to %+v: %v", resp, err)
	}
	if name := value[string](b, "document.querySelector('h2').textContent"); name != "day1/saved.mov" {
		t.Errorf("the settings are those of %s", name)
	}
}

// copies: each of the fields of the console can be copied, and is that of the settings beside the file.
func copies(t *testing.T, w *world, b *tab, origin string) {
	b.allowClipboard(origin)
	text, err := os.ReadFile(w.m.Path("day1/saved.mov" + sidecar.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sidecar.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if found := b.axe(); found != "" {
		t.Errorf("axe-core finds:\n%s", found)
	}
	for id, want := range map[string]string{
		"mode": s.Mode, "key": base64.StdEncoding.EncodeToString(s.Key), "iv": base64.StdEncoding.EncodeToString(s.IV), "region": s.Region, "input": s.FileInput,
	} {
		value[bool](b, "document.querySelector('button[data-copy="+id+"]').focus(), document.getElementById('copied').textContent = '', true")
		b.do("press the button", chromedp.KeyEvent(kb.Enter))
		b.await("document.getElementById('copied').textContent === document.getElementById('" + id + "-name').textContent + ' is copied.'")
		if got := value[string](b, "navigator.clipboard.readText()"); got != want || want == "" {
			t.Errorf("%s: copied is %q, not %q", id, got, want)
		}
	}
	b.do("go back", chromedp.Navigate(origin+"/"))
}

// live: the page shows how a film gets on, until it is saved, and is never loaded anew.
func live(t *testing.T, w *world, b *tab, _ string) {
	value[bool](b, "window.mark = true")
	w.moves(b, 14)
	if text := value[string](b, rowOf("film.mov")+".innerText"); !strings.Contains(text, "of 10.0 MiB") || !strings.Contains(text, "/s") {
		t.Errorf("the film's line is %q", text)
	}
	w.open(22)
	b.await(rowOf("film.mov") + "?.querySelector('a') && !" + rowOf("film.mov") + ".querySelector('progress')")
	w.S3.Proxy.Reset()
	if out, err := w.m.Mcfs(patience, "sync", w.m.Dir); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	b.await("document.getElementById('summary').textContent === 'Failures: 0. Conflicts: 1.'")
	if !value[bool](b, "window.mark === true") {
		t.Error("the page was loaded anew")
	}
}

// daemons: the daemon shows the page by itself, at an address that mcfs status tells, and what it says of
// a file is what the mount has. It says its end, too: see TestPage.
func daemons(t *testing.T, w *world, b *tab, _ string) {
	out, err := w.m.Mcfs(patience, "status", "--json", w.m.Dir)
	if err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	var told struct{ Mounts []struct{ Page string } }
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told.Mounts) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	var found bool
	if w.daemon, _, found = strings.Cut(told.Mounts[0].Page, "/?token="); !found {
		t.Fatalf("the page is %q", told.Mounts[0].Page)
	}
	if code := b.status(told.Mounts[0].Page); code != http.StatusOK {
		t.Fatalf("the daemon's page: %d", code)
	}
	b.await(rowOf("film.mov") + "?.querySelector('a')")
	link := value[string](b, rowOf("film.mov")+".querySelector('a').href")
	if code := b.status(link); code != http.StatusOK {
		t.Fatalf("%s: %d", link, code)
	}
	text, err := os.ReadFile(w.m.Path("film.mov" + sidecar.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sidecar.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if iv := value[string](b, "document.getElementById('iv').textContent"); iv != base64.StdEncoding.EncodeToString(s.IV) {
		t.Errorf("the vector is %s, not %x", iv, s.IV)
	}
	if code := b.status(w.daemon + "/"); code != http.StatusOK {
		t.Errorf("back: %d", code)
	}
	b.await(rowOf("film.mov") + "?.querySelector('a')")
}
