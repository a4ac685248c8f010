package programs

import (
	"testing"

	"mcfs/e2e/rig"
)

// savers are the ways of desktop libraries to replace a file, in Python's calls
// of the system's, and how many uploads two saves in each way are.
const savers = `
import os, sys
random = 'A1b2C3'
def write(path, text, flags, mode):
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)
    os.write(fd, text); os.fsync(fd); os.fchmod(fd, 0o644); os.close(fd)
def gtk(path, text):       # g_file_replace
    temporary = '.goutputstream-' + random
    write(temporary, text, os.O_RDWR | os.O_EXCL, 0o600); os.rename(temporary, path)
def glib(path, text):      # g_file_set_contents
    temporary = path + '.' + random
    write(temporary, text, os.O_RDWR | os.O_EXCL, 0o600); os.rename(temporary, path)
def qt(path, text):        # QSaveFile
    temporary = path + '.' + random[::-1]
    write(temporary, text, os.O_RDWR | os.O_EXCL, 0o600); os.rename(temporary, path)
def libreoffice(path, text):
    lock = '.~lock.' + path + '#'
    write(lock, b',user,host,20.11.2026 10:00,file:///home/user;', os.O_RDWR | os.O_EXCL, 0o644)
    write('lu1234abcd.tmp', text, os.O_RDWR | os.O_EXCL, 0o600); os.rename('lu1234abcd.tmp', path)
    os.unlink(lock)
def emacs(path, text):     # a lock, auto-save, and the file in place after a backup
    os.symlink('user@host.123:456', '.#' + path)
    write('#' + path + '#', text, os.O_WRONLY | os.O_TRUNC, 0o644)
    if os.path.exists(path) and not os.path.exists(path + '~'):
        write(path + '~', open(path, 'rb').read(), os.O_WRONLY | os.O_EXCL, 0o644)
    write(path, text, os.O_WRONLY | os.O_TRUNC, 0o644); os.unlink('#' + path + '#')
    os.unlink('.#' + path)
def kate(path, text):      # a swap file beside the document
    write('.' + path + '.kate-swp', b'swap', os.O_RDWR | os.O_TRUNC, 0o600)
    qt(path, text); os.unlink('.' + path + '.kate-swp')
for way in gtk, glib, qt, libreoffice, emacs, kate:
    path = way.__name__ + '.txt'
    for text in b'first', b'second' * 20000:
        way(path, text); assert open(path, 'rb').read() == text, path
`

// TestSavers saves as the libraries of desktop programs do. None of the names
// that they use in passing reaches S3.
func TestSavers(t *testing.T) {
	rig.Need(t, "python3", "sed")
	b := newBench(t, nil)
	b.both("python3 -c \"$(cat <<'EOF'" + savers + "EOF\n)\"\n" + `
seq 1 3000 >edited; sed -i 's/^1/one/' edited; sed -i.bak 's/^2/two/' edited; cksum edited edited.bak; ls -A -I '*.settings.json'`)
	b.upTo = map[string]int{"gtk.txt": 2, "glib.txt": 2, "qt.txt": 2, "libreoffice.txt": 2, "kate.txt": 2, "edited": 3}
	b.finish(each(times(2), "", "emacs.txt"), each(once, "", "emacs.txt~"), each(renamed, "", "edited.bak"))
}
