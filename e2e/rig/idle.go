package rig

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// busy are the states of a draft that will be in the store without anybody's doing.
var busy = []string{"writing", "queued", "uploading", "publishing"}

// Idle waits until the mount has nothing under way by itself: no draft that is being written or
// sent, and no change of a name. What is interrupted or local may stay.
func (m *Mount) Idle(limit time.Duration) {
	m.tb.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		left, err := m.underWay()
		if err != nil {
			m.tb.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			m.tb.Fatalf("after %v there is still under way: %q", limit, left)
		}
	}
}

func (m *Mount) underWay() (left []string, err error) {
	out, err := m.Mcfs(Limit, "status", "--json", m.Dir)
	if err != nil {
		return nil, fmt.Errorf("mcfs status: %w\n%s", err, out)
	}
	var doc struct {
		Mounts []struct {
			Drafts  []struct{ Path, State string }
			Changes []struct{ What, Path string }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		return nil, fmt.Errorf("mcfs status: %w\n%s", err, out)
	}
	if len(doc.Mounts) != 1 {
		return nil, fmt.Errorf("mcfs status tells of %d mounts\n%s", len(doc.Mounts), out)
	}
	for _, d := range doc.Mounts[0].Drafts {
		if slices.Contains(busy, d.State) {
			left = append(left, d.Path+" "+d.State)
		}
	}
	for _, c := range doc.Mounts[0].Changes {
		left = append(left, c.What+" "+c.Path)
	}
	return left, nil
}
