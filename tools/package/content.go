package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// format is a kind of package.
type format string

const (
	deb format = "deb"
	rpm format = "rpm"
	apk format = "apk"
)

// content is what is packed for one system.
type content struct {
	release
	program
	told
	notices
}

// file is a file, symlink or folder of a package. A folder is removed with it.
type file struct {
	path   string
	mode   fs.FileMode
	data   []byte
	link   string
	folder bool
}

// list gathers files; the first error stays.
type list struct {
	files []file
	err   error
}

func (l *list) add(at string, mode fs.FileMode, data []byte) {
	l.files = append(l.files, file{path: at, mode: mode, data: data})
}

// copy adds a file as it is.
func (l *list) copy(at string, mode fs.FileMode, from ...string) {
	data, err := os.ReadFile(filepath.Join(from...))
	if err != nil && l.err == nil {
		l.err = err
	}
	l.add(at, mode, data)
}

// common are the files that all packages have below a folder: /usr, or that of a tarball. Zsh looks
// for completions elsewhere on Debian.
func (c content) common(l *list, prefix, zsh string) {
	l.copy(path.Join(prefix, "bin/mcfs"), 0o755, c.program.path)
	for _, p := range c.pages {
		l.add(path.Join(prefix, "share/man/man1", p.name), 0o644, p.data)
	}
	l.add(path.Join(prefix, "share/bash-completion/completions/mcfs"), 0o644, c.bash)
	l.add(path.Join(prefix, "share/zsh", zsh, "_mcfs"), 0o644, c.zsh)
	l.add(path.Join(prefix, "share/fish/vendor_completions.d/mcfs.fish"), 0o644, c.fish)
	l.copy(path.Join(prefix, "share/doc/mcfs/examples/config.example.toml"), 0o644, c.source, "config.example.toml")
}

// system are the files of a package that a system installs.
func (c content) system(f format) ([]file, error) {
	var l list
	// What mount(8) calls, which looks for it in /sbin: where that is no link yet, it has to be there.
	// Debian has other names for what zsh reads, and for licenses.
	sbin, zsh, license := "/usr/sbin", "site-functions", "/usr/share/licenses/mcfs/LICENSE"
	switch f {
	case deb:
		zsh, license = "vendor-completions", "/usr/share/common-licenses/Apache-2.0"
	case apk:
		sbin = "/sbin"
	}
	c.common(&l, "/usr", zsh)
	to, err := filepath.Rel(sbin, "/usr/bin/mcfs")
	if err != nil {
		return nil, err
	}
	l.files = append(l.files,
		file{path: sbin + "/mount.fuse.mcfs", mode: 0o777, link: to},
		file{path: "/usr/share/man/man8/mount.fuse.mcfs.8.gz", mode: 0o777, link: "../man1/mcfs-mount.1.gz"},
		file{path: "/etc/mcfs", mode: 0o755, folder: true}, file{path: "/usr/share/doc/mcfs", mode: 0o755, folder: true},
		file{path: "/usr/share/doc/mcfs/examples", mode: 0o755, folder: true})
	for _, scope := range []string{"system", "user"} {
		l.copy("/usr/lib/systemd/"+scope+"/mcfs@.service", 0o644, c.source, "deploy/systemd", scope, "mcfs@.service")
	}
	l.add("/usr/share/doc/mcfs/copyright", 0o644, c.copyright(license))
	if changes, err := os.ReadFile(filepath.Join(c.source, "CHANGELOG.md")); err == nil {
		l.add("/usr/share/doc/mcfs/changelog.gz", 0o644, compressed(changes))
	} else {
		return nil, err
	}
	if f == deb {
		l.add("/usr/share/doc/mcfs/changelog.Debian.gz", 0o644, compressed(c.debianChanges()))
		l.copy("/usr/share/lintian/overrides/mcfs", 0o644, c.source, "tools/package/lintian-overrides")
	} else {
		l.files = append(l.files, file{path: path.Dir(license), mode: 0o755, folder: true})
		l.copy(license, 0o644, c.source, "LICENSE")
	}
	if f == rpm { // the others take a folder away by themselves, once nobody has files in it
		for _, dir := range []string{"bash-completion", "bash-completion/completions", "fish", "fish/vendor_completions.d", "zsh", "zsh/" + zsh, "licenses"} {
			l.files = append(l.files, file{path: "/usr/share/" + dir, mode: 0o755, folder: true})
		}
	}
	return l.files, l.err
}

// debianChanges is the log of the packaging, which has one entry: what changes in mcfs is in the other.
func (c content) debianChanges() []byte {
	return fmt.Appendf(nil, "mcfs (%s) unstable; urgency=medium\n\n  * Packaged: revision %s.\n\n -- %s  %s\n",
		c.debianVersion(), c.revision, c.maintainer, c.time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}
