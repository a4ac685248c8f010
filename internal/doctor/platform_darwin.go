package doctor

import (
	"context"
	"os"
)

// platform is what is looked at on macOS alone.
type platform struct {
	MacFUSE       string // folder of macFUSE
	detachCommand string
}

func thisPlatform() platform {
	return platform{MacFUSE: "/Library/Filesystems/macfuse.fs", detachCommand: "umount -f"}
}

func (p platform) checks(Host) []Check { return []Check{{Name: "macFUSE", Run: p.installed}} }

func (p platform) installed(context.Context) Finding {
	if _, err := os.Stat(p.MacFUSE); err != nil {
		return fail("get it from https://macfuse.io, and allow its system extension", "macFUSE is not installed: %v", err)
	}
	return ok("%s", p.MacFUSE)
}

// unfit is empty: statfs(2) tells names here, and no numbers.
func (p platform) unfit(int64) string { return "" }
