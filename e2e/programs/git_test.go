package programs

import (
	"path"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// gitEnvironment makes git the same everywhere, and the same twice.
const gitEnvironment = `
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
export GIT_AUTHOR_DATE='2024-05-06 07:08:09 +0000' GIT_COMMITTER_DATE='2024-05-06 07:08:09 +0000'
git() { command git -c init.defaultBranch=main -c advice.detachedHead=false "$@"; }
`

// TestGit keeps a repository in the mount, clones it within, out and in, packs
// it, and has git check every object. Sidecars of the work tree are ignored as a
// user would have git ignore them; below .git none is listed.
func TestGit(t *testing.T) {
	rig.Need(t, "git")
	b := newBench(t, nil)
	b.both(gitEnvironment + `
git init -q repo; cd repo; echo '*.settings.json' >.gitignore
cp -r "$TREE/." .; git add -A; git commit -qm first; git status --short
seq 5 20005 >numbers.txt; git diff --stat; git commit -qam second; git log --oneline
git checkout -qb side; git mv one two; echo more >>two; git commit -qam third; git checkout -q main
echo other >other; git add other; git commit -qm fourth; git merge -q -m merged side; git log --oneline --graph
git stash list; echo dirty >>other; git stash -q; git stash pop -q; git commit -qam fifth; git tag v1; git rebase -q side 2>&1
find .git -name '*.settings.json' | head
cd ..; git clone -q repo within; git clone -q repo "$HOME/out.git" ; git clone -q --bare "$HOME/out.git" bare.git; git clone -q --no-local repo wire
git -C repo gc -q; git -C repo fsck --full --strict; git -C within fsck --full --strict; git -C bare.git fsck --full; git -C wire fsck
git -C "$HOME/out.git" log --oneline | wc -l; git -C within push -q origin HEAD:refs/heads/pushed; git -C repo branch | cat
git -C repo status --short; cat repo/.git/HEAD; git -C repo rev-parse HEAD HEAD^ v1; git -C repo count-objects -v | grep -v size; rm -rf wire "$HOME/out.git"`)
	for name := range b.r.Saves(b.mark) {
		switch base := path.Base(name); {
		case strings.HasSuffix(name, ".lock"), strings.HasPrefix(base, "tmp_"), strings.HasPrefix(base, ".tmp-"):
			t.Errorf("S3 was given %s", name)
		}
	}
	b.m.Unmount()
	cold := b.r.Mount("cold")
	cold.Shell(gitEnvironment + `export HOME='` + b.r.Dir + `/home'
for d in repo within bare.git; do git -c safe.directory='*' -C $d fsck --full; done; git -c safe.directory='*' -C repo status --short`)
	// git status has written the index anew: inode numbers are of one mount.
	if said, err := cold.Mcfs(time.Minute, "sync", cold.Path()); err != nil {
		t.Errorf("sync: %v: %s", err, said)
	}
	b.r.Truth(cold)
	cold.Unmount()
}

// TestGitSeesNoSidecars: in a work tree of which git has been told nothing, with sidecars
// that everybody else is shown, none is a file of anybody's.
func TestGitSeesNoSidecars(t *testing.T) {
	rig.Need(t, "git")
	b := newBench(t, nil)
	b.both(gitEnvironment + `
git init -q repo; cd repo; cp -r "$TREE/." .; git status --short -uall; git add -A; git ls-files; git commit -qm first
echo more >new; git status --short; git stash -qu; git stash pop -q; git clean -dn; git clean -fdq; git status --short; rm .git/index; git reset -q; git status --short`)
	if got := b.m.Shell(`cd repo; find . -name '*.settings.json' | wc -l; ls one*`); got != "7\none\none.settings.json\n" {
		t.Errorf("others than git are shown %q", got)
	}
	b.m.Unmount()
}

// TestGitTrustsDirectoryTimes runs git's own probe of whether a directory's times tell that
// something came or went, upon which its cache of untracked files rests.
func TestGitTrustsDirectoryTimes(t *testing.T) {
	rig.Need(t, "git")
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("mkdir work && cd work && git init -q .")
	if out, err := m.TryShell(2*time.Minute, "cd work && git update-index --test-untracked-cache 2>&1"); err != nil {
		t.Errorf("git does not trust the times of directories: %v\n%s", err, out)
	}
	m.Unmount()
}
