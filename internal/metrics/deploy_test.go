package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mcfs/internal/feed"
	"mcfs/volume"
	"mcfs/volume/event"
)

const deploy = "../../deploy"

// promtool runs the program of that name, which make packages gets.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		cache, err := os.UserCacheDir()
		must(t, err)
		if path, err = exec.LookPath(filepath.Join(cache, "mcfs-test", "prometheus", "promtool")); err != nil {
			t.Fatalf("%v; make packages gets it", err)
		}
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
}

// TestAlerts: the alert rules are well-formed, a healthy mount raises none, and each fault its own.
func TestAlerts(t *testing.T) {
	dir := filepath.Join(deploy, "prometheus")
	promtool(t, dir, "check", "rules", "mcfs.rules.yml")
	promtool(t, dir, "test", "rules", "mcfs.rules.test.yml")
}

// dashboard is what the tests look at in Grafana's document.
type dashboard struct {
	Panels []struct {
		ID                 int
		Title, Description string
		Targets            []struct{ Expr string }
	}
}

// TestDashboard: every panel has a title, a description and a number of its own, and asks
// what Prometheus can answer.
func TestDashboard(t *testing.T) {
	var d dashboard
	must(t, json.Unmarshal([]byte(text(t, "../../deploy/grafana/mcfs.json")), &d))
	var rules strings.Builder
	rules.WriteString("groups:\n- name: panels\n  rules:\n")
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || seen[p.ID] || p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%q) lacks something", p.ID, p.Title)
		}
		seen[p.ID] = true
		for i, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			fmt.Fprintf(&rules, "  - record: panel_%d_%d\n    expr: %q\n", p.ID, i, expr)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d panels", len(seen))
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	must(t, os.WriteFile(file, []byte(rules.String()), 0o600))
	promtool(t, ".", "check", "rules", file)
}

// TestNamesAreKnown: the page has a row for every metric, each alert has one there, too, and
// neither page nor alerts nor dashboard name a metric that there is not.
func TestNamesAreKnown(t *testing.T) {
	f := feed.New(feed.Place{})
	f.Observe(event.Event{Kind: event.Failure, What: "commit"})
	families, err := newRegistry(mount{fixed{volume.Status{}, volume.Totals{}}, f}, newKeyCalls(), newRate(func() int64 { return 0 })).Gather()
	must(t, err)
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	page := text(t, "../../docs/monitoring.md")
	for _, name := range names {
		if !regexp.MustCompile("(?m)^\\| `" + name + "[`{]").MatchString(page) {
			t.Errorf("the page has no row for %s", name)
		}
	}
	rules := text(t, "../../deploy/prometheus/mcfs.rules.yml")
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(page, "| `"+alert[1]+"` |") {
			t.Errorf("the page has no row for the alert %s", alert[1])
		}
	}
	for file, text := range map[string]string{"page": page, "alerts": rules, "dashboard": text(t, "../../deploy/grafana/mcfs.json")} {
		for _, name := range regexp.MustCompile(`\bmcfs_\w+`).FindAllString(text, -1) {
			base := regexp.MustCompile(`_seconds_(count|bucket|sum)$`).ReplaceAllString(name, "_seconds")
			if !slices.Contains(names, base) {
				t.Errorf("the %s names %s, which there is not", file, name)
			}
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}
