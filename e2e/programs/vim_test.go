package programs

import (
	"fmt"
	"strings"
	"testing"

	"mcfs/e2e/rig"
)

// TestVim edits with vim in each of its ways of writing: over the file or beside
// it, with a backup while it writes, after it, or without; swap files on. Each
// :w is one upload, and what vim writes in passing never leaves this machine.
func TestVim(t *testing.T) {
	rig.Need(t, "vim")
	b := newBench(t, nil)
	var script strings.Builder
	// By default vim makes no backup of what is below /tmp.
	script.WriteString(`
edit() { vim -u NONE -i NONE -N -es -c 'set swapfile directory=. backupskip=' "$@" </dev/null; }
`)
	want := make(map[string]rig.Saved)
	for _, copies := range []string{"yes", "no", "auto"} {
		for _, during := range []string{"writebackup", "nowritebackup"} {
			for _, after := range []string{"backup", "nobackup"} {
				name := fmt.Sprintf("%s-%s-%s", copies, during, after)
				fmt.Fprintf(&script, `
cp "$TREE/numbers.txt" %[1]s; chmod 640 %[1]s
edit -c 'set backupcopy=%[2]s %[3]s %[4]s backupdir=.' -c '3s/^/third /' -c w -c '$s/$/ last/' -c wq %[1]s
cksum %[1]s; stat -c %%a %[1]s; ls %[1]s~ 2>/dev/null || echo no backup
`, name, copies, during, after)
				want[name] = restated(3, 2) // cp's, then one of each :w
				if after == "backup" {
					want[name+"~"] = restated(1, 2) // by unmounting
				}
			}
		}
	}
	script.WriteString(`
edit -c 'normal ifresh' -c wq new; cat new; edit -c 'normal Aer' -c x new; cat new
edit -c 'normal xx' -c 'q!' new; cat new; ls -A -I '*.settings.json'`)
	want["new"] = restated(2, 1)
	b.both(script.String())
	b.finish(want)
}
