package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// statusDocument is what `mcfs help status` says of --json, read with no help
// from what writes it.
type statusDocument struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Mounts  []struct {
		Mountpoint string `json:"mountpoint"`
		Volume     string `json:"volume"`
		Config     string `json:"config"`
		Spool      string `json:"spool"`
		State      string `json:"state"`
		Note       string `json:"note"`
		Drafts     []struct {
			Path    string         `json:"path"`
			State   string         `json:"state"`
			Size    int64          `json:"size"`
			Sent    int64          `json:"sent"`
			Rate    int64          `json:"rate"`
			Left    int64          `json:"left"`
			Closed  time.Time      `json:"closed"`
			Overdue bool           `json:"overdue"`
			Claims  time.Time      `json:"claims"`
			Safe    bool           `json:"safe"`
			Dropped bool           `json:"dropped"`
			Failure *statusFailure `json:"failure"`
		} `json:"drafts"`
		Changes []struct {
			What    string         `json:"what"`
			Path    string         `json:"path"`
			To      string         `json:"to"`
			Failure *statusFailure `json:"failure"`
		} `json:"changes"`
		GivenUp []struct {
			What  string    `json:"what"`
			Path  string    `json:"path"`
			To    string    `json:"to"`
			At    time.Time `json:"at"`
			Cause string    `json:"cause"`
		} `json:"given_up"`
		Conflicts []struct {
			Path  string    `json:"path"`
			Aside string    `json:"aside"`
			At    time.Time `json:"at"`
			There bool      `json:"there"`
		} `json:"conflicts"`
		Quarantine []struct {
			ID    string    `json:"id"`
			Path  string    `json:"path"`
			File  string    `json:"file"`
			Bytes int64     `json:"bytes"`
			Size  int64     `json:"size"`
			At    time.Time `json:"at"`
			Why   string    `json:"why"`
		} `json:"quarantine"`
		Unopened []struct {
			ID    string `json:"id"`
			Cause string `json:"cause"`
		} `json:"unopened"`
		Cache struct {
			Used   int64 `json:"used"`
			Drafts int64 `json:"drafts"`
			Limit  int64 `json:"limit"`
		} `json:"cache"`
		Committed int64 `json:"committed_bytes"`
	} `json:"mounts"`
}

type statusFailure struct {
	Cause string    `json:"cause"`
	Tries int       `json:"tries"`
	Since time.Time `json:"since"`
	Next  time.Time `json:"next"`
	Cure  string    `json:"cure"`
}

// statusOf asks with --json, and waits for no server (P7).
func statusOf(t *testing.T, m *rig.Mount, path string) statusDocument {
	t.Helper()
	begun := time.Now()
	out, err := m.Mcfs(20*time.Second, "status", "--json", path)
	if took := time.Since(begun); took > rig.Soon {
		t.Errorf("mcfs status took %v", took)
	}
	var doc statusDocument
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := errors.Join(err, d.Decode(&doc)); err != nil {
		t.Fatalf("mcfs status --json: %v\n%s", err, out)
	}
	if doc.Version != 1 || time.Since(doc.At) > time.Minute || len(doc.Mounts) != 1 || doc.Mounts[0].State != "mounted" {
		t.Fatalf("mcfs status --json: %s", out)
	}
	return doc
}

// TestStatusWhileStoreIsFrozen: while S3 hangs, status says soon what is not
// there, why, and when it is tried again (P4, P7), and no secret.
func TestStatusWhileStoreIsFrozen(t *testing.T) {
	t.Parallel()
	r := rig.New(t, rig.Settings{"upload.timeout": `"2s"`, "mount.fresh": `"1m"`})
	m := r.Mount("a")
	m.Expect(`level=ERROR.*(draft|upload|commit)`)
	m.Shell(`echo before >before; ls -l`)
	r.S3.Signal(syscall.SIGSTOP)
	m.Within(30*time.Second, "a close that fails", func() error {
		if err := os.WriteFile(m.Path("during"), []byte(strings.Repeat("x", 100_000)), 0o600); err == nil {
			return errors.New("close succeeded with S3 frozen")
		}
		return nil
	})
	m.Within(rig.Soon, "rename", func() error { return os.Rename(m.Path("before"), m.Path("after")) })

	failing := func() bool {
		s := statusOf(t, m, m.Dir).Mounts[0]
		if len(s.Drafts) != 1 || len(s.Changes) != 1 {
			t.Fatalf("pending: %+v", s)
		}
		d, c := s.Drafts[0], s.Changes[0]
		if d.Path != "during" || d.Size != 100_000 || !d.Safe || d.Closed.IsZero() {
			t.Errorf("draft: %+v", d)
		}
		if c.What != "rename" || c.Path != "before" || c.To != "after" {
			t.Errorf("change: %+v", c)
		}
		return d.Failure != nil && d.Failure.Cause != "" && d.Failure.Tries > 0 && d.Failure.Next.After(d.Failure.Since) &&
			c.Failure != nil && c.Failure.Cause != ""
	}
	for deadline := time.Now().Add(time.Minute); !failing(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no failure with a next try was shown")
		}
	}
	if s := statusOf(t, m, m.Path("during")).Mounts[0]; len(s.Drafts) != 1 || len(s.Changes) != 0 {
		t.Errorf("of one path: %+v", s)
	}
	out, err := m.Mcfs(20*time.Second, "status", m.Dir)
	for _, want := range []string{"during", "failed", "since ", "cause: ", "rename       before -> after", "cache "} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("it does not say %q (%v):\n%s", want, err, out)
		}
	}
	for _, secret := range []string{r.S3.SecretKey, r.S3.AccessKey} {
		if strings.Contains(out, secret) {
			t.Errorf("it tells a secret:\n%s", out)
		}
	}
	r.S3.Signal(syscall.SIGCONT)
	r.Settle(time.Minute, []string{"after", "during"})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s := statusOf(t, m, m.Dir).Mounts[0]
		if len(s.Drafts)+len(s.Changes) == 0 && s.Committed >= 100_000 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("when all is done: %+v", s)
		}
	}
	m.Unmount()
}
