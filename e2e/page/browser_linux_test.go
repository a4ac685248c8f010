package page

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"mcfs/e2e/rig"
)

// patience is how long anything may take on a machine that has much to do.
const patience = 60 * time.Second

// tab is a page of a headless Chromium, with what it has asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	asked []string // addresses
}

// open starts the browser. Every name that ends with .example is this machine.
func open(t *testing.T) *tab {
	t.Helper()
	rig.Need(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"), chromedp.WindowSize(1000, 900))
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the browser's end
			t.Errorf("end Chromium: %v", err)
		}
	})
	err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.asked = append(b.asked, e.Request.URL)
		}
	})
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return b
}

// do runs actions.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// value is what an expression has, or its promise.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression is true, which a change of the page makes it.
func (b *tab) await(expression string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`new Promise((done, fail) => {
	const is = () => { if (%s) done(true); };
	new MutationObserver(is).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
	setTimeout(() => fail(new Error("not in time, in: " + document.body.innerText)), %d);
	is();
})`, expression, patience.Milliseconds()))
}

// status opens an address, and is the code of its answer.
func (b *tab) status(address string) int64 {
	b.t.Helper()
	resp, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(address))
	if err != nil || resp == nil {
		b.t.Fatalf("%s: %v", address, err)
	}
	return resp.Status
}

// scheme has the page dark or light.
func (b *tab) scheme(which string) {
	b.t.Helper()
	b.do("be "+which, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}}})
		return err
	}))
}

// allowClipboard lets the test read what was copied.
func (b *tab) allowClipboard(origin string) {
	b.t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		b.do("allow "+name, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, chromedp.FromContext(ctx).Browser, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: origin,
			})
			return err
		}))
	}
}

// strangers are the addresses that were asked for and begin with none of these.
func (b *tab) strangers(begin ...string) (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.asked {
		known := false
		for _, s := range begin {
			known = known || strings.HasPrefix(address, s)
		}
		if !known {
			list = append(list, address)
		}
	}
	return list
}

// axe are the rules of accessibility that the page breaks, a line each.
func (b *tab) axe() string {
	b.t.Helper()
	path := os.Getenv("AXE_CORE")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			b.t.Fatal(err)
		}
		path = filepath.Join(cache, "mcfs-test", "axe-core.js")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatalf("axe-core: %v; make packages fetches it", err)
	}
	value[bool](b, string(source)+"; true")
	text := value[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify({
	passes: r.passes.length,
	found: r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html).join(" ")),
}))`)
	var result struct {
		Passes int
		Found  []string
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		b.t.Fatal(err)
	}
	if result.Passes < 10 {
		b.t.Fatalf("axe-core has checked %d rules only", result.Passes)
	}
	return strings.Join(result.Found, "\n")
}
