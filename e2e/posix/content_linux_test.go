package posix

import (
	"testing"

	"golang.org/x/sys/unix"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	// block is the unit of the spool: where a test counts holes, it does so in
	// blocks, since a disk counts them in 4 KiB.
	block = 64 * kib
	part  = 5 * mib // of an upload, as the rig configures it
)

// contents are the rows "truncate, O_TRUNC, append, …: as on a local disk".
var contents = []struct {
	name  string
	steps func(x *trace)
}{
	{"second_descriptor", secondDescriptor},
	{"append", appendTwice},
	{"o_trunc", truncateByOpen},
	{"ftruncate", truncateDownAndUp},
	{"fallocate", allocate},
	{"holes", seekHoles},
	{"sync_flags", syncFlags},
	{"direct", direct},
	{"errors", refusedContent},
	{"committed", changeCommitted},
}

// TestContentAsOnADisk runs each row in a plain directory and in the mount, and
// then proves what the store has.
func TestContentAsOnADisk(t *testing.T) {
	inModes(t, modes, func(t *testing.T, b *bench) {
		for _, c := range contents {
			t.Run(c.name, func(t *testing.T) { b.same(t, c.name, c.steps) })
		}
		b.prove(t)
	})
}

// secondDescriptor reads what the first has not flushed.
func secondDescriptor(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("a", noise(1, 100_000))
	x.open("b", "f", unix.O_RDWR)
	x.look("b")
	x.pwrite("b", noise(2, 7), 99_990)
	x.look("a")
	x.pwrite("a", noise(3, 3*block), 5*block)
	x.look("b")
	x.close("a")
	x.pwrite("b", []byte("after the first was closed"), 10)
	x.read("f")
	x.close("b")
	x.read("f")
}

// appendTwice: two descriptors append in turn, each at the end as it is then.
func appendTwice(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND)
	x.open("b", "f", unix.O_WRONLY|unix.O_APPEND)
	for i := range 6 {
		x.write("a", noise(byte(i), 1000+i))
		x.write("b", noise(byte(i+100), 70_000))
	}
	x.open("c", "f", unix.O_RDWR)
	x.look("c")
	x.truncate("c", 12_345)
	x.write("a", []byte("at the new end"))
	x.look("c")
	x.close("a")
	x.close("b")
	x.close("c")
	x.open("a", "f", unix.O_RDWR|unix.O_APPEND)
	x.seek("a", 0, unix.SEEK_SET)
	x.write("a", []byte("to the committed file"))
	x.look("a")
	x.close("a")
	x.read("f")
}

// truncateByOpen: O_TRUNC on what is being written, by a second descriptor, and
// on a committed file.
func truncateByOpen(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR|unix.O_TRUNC)
	x.write("a", noise(1, 300_000))
	x.open("b", "f", unix.O_RDWR|unix.O_TRUNC)
	x.look("a")
	x.write("a", []byte("at the first one's old position"))
	x.look("b")
	x.close("b")
	x.close("a")
	x.read("f")
	x.open("a", "f", unix.O_RDONLY)
	x.look("a")
	x.open("b", "f", unix.O_WRONLY|unix.O_TRUNC)
	x.look("a")
	x.write("b", []byte("short"))
	x.look("a")
	x.close("b")
	x.close("a")
	x.open("a", "emptied", unix.O_CREAT|unix.O_WRONLY)
	x.write("a", noise(2, 10))
	x.close("a")
	x.open("a", "emptied", unix.O_WRONLY|unix.O_TRUNC)
	x.close("a")
	x.read("emptied")
	x.open("a", "kept", unix.O_CREAT|unix.O_WRONLY)
	x.write("a", noise(3, 100))
	x.close("a")
	x.open("a", "kept", unix.O_RDONLY|unix.O_CREAT)
	x.look("a")
	x.close("a")
}

// truncateDownAndUp: down, up, and down again with writes between.
func truncateDownAndUp(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.write("a", noise(1, 5*block+123))
	for i, size := range []int64{3*block + 7, 10 * block, 2 * block, 2*block + 1, block - 1, 4 * block, 0, 77, 6*block + 5} {
		x.truncate("a", size)
		x.look("a")
		x.pwrite("a", noise(byte(i+2), 99), size/2)
		x.look("a")
	}
	x.close("a")
	x.read("f")
	x.done("truncate by name", unix.Truncate(x.path("f"), 3*block+1))
	x.read("f")
	x.done("truncate by name", unix.Truncate(x.path("f"), 8*block))
	x.read("f")
	x.open("a", "f", unix.O_RDWR)
	x.truncate("a", 10)
	x.truncate("a", 3*block)
	x.look("a")
	x.close("a")
	x.read("f")
}

// allocate is fallocate(2) in its modes.
func allocate(x *trace) {
	const keep, punch, zero = unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.fallocate("a", 0, 0, 100_000)
	x.look("a")
	x.pwrite("a", noise(1, 8*block), 0)
	x.fallocate("a", 0, block, block)
	x.look("a")
	x.fallocate("a", 0, 7*block, 2*block)
	x.look("a")
	x.fallocate("a", keep, 8*block, 10*block)
	x.look("a")
	x.fallocate("a", punch|keep, block+5, block+11)
	x.look("a")
	x.fallocate("a", punch|keep, 3*block, 2*block)
	x.look("a")
	x.fallocate("a", punch|keep, 8*block, 100*block)
	x.look("a")
	x.fallocate("a", zero, 100, 50)
	x.look("a")
	x.fallocate("a", zero|keep, 6*block+1, 100*block)
	x.look("a")
	x.fallocate("a", zero, 6*block+1, 10*block)
	x.look("a")
	x.fallocate("a", punch, 0, block) // the kernel wants KEEP_SIZE with it
	x.fallocate("a", 0, -1, 5)
	x.fallocate("a", 0, 5, 0)
	x.close("a")
	x.read("f")
	x.open("a", "f", unix.O_RDWR) // and of a committed file
	x.fallocate("a", punch|keep, 5, 3*block)
	x.fallocate("a", 0, 0, 20*block)
	x.look("a")
	x.close("a")
	x.open("a", "f", unix.O_RDONLY)
	x.fallocate("a", 0, 0, 10)
	x.look("a")
	x.close("a")
	x.read("f")
	x.open("a", "only allocated", unix.O_CREAT|unix.O_WRONLY)
	x.fallocate("a", 0, 0, 3*block)
	x.close("a")
	x.read("only allocated")
}

// seekHoles is lseek(2) with SEEK_HOLE and SEEK_DATA.
func seekHoles(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR)
	x.pwrite("a", noise(1, block), 2*block)
	x.pwrite("a", noise(2, 2*block), 6*block)
	x.truncate("a", 10*block)
	find := func() {
		for _, off := range []int64{0, 1, 2 * block, 2*block + 1, 3 * block, 5 * block, 6*block + 1, 8*block - 1, 8 * block, 10*block - 1, 10 * block, 11 * block} {
			x.seek("a", off, unix.SEEK_DATA)
			x.seek("a", off, unix.SEEK_HOLE)
		}
	}
	find()
	x.seek("a", -1, unix.SEEK_DATA)
	x.seek("a", -1, unix.SEEK_HOLE)
	x.fallocate("a", unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 6*block, block)
	find()
	x.seek("a", -5, unix.SEEK_END)
	x.seek("a", 3, unix.SEEK_CUR)
	x.look("a")
	x.close("a")
	x.read("f")
}

// syncFlags writes with O_SYNC and O_DSYNC, and syncs in all ways.
func syncFlags(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR|unix.O_SYNC)
	x.write("a", noise(1, 70_000))
	x.look("a")
	x.done("fsync", unix.Fsync(x.fds["a"]))
	x.done("fdatasync", unix.Fdatasync(x.fds["a"]))
	x.done("sync_file_range", unix.SyncFileRange(x.fds["a"], 0, 0, unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER))
	x.close("a")
	x.open("a", "f", unix.O_WRONLY|unix.O_DSYNC)
	x.write("a", noise(2, 10))
	x.close("a")
	x.read("f")
	x.open("dir", ".", unix.O_RDONLY|unix.O_DIRECTORY)
	x.done("fsync of the directory", unix.Fsync(x.fds["dir"]))
	x.done("syncfs", unix.Syncfs(x.fds["dir"]))
	x.close("dir")
}

// direct is O_DIRECT, in aligned units as a disk wants them, beside a
// descriptor that goes through the page cache.
func direct(x *trace) {
	aligned, err := unix.Mmap(-1, 0, 4*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		x.note("mmap: %v", err)
		return
	}
	defer unix.Munmap(aligned)
	copy(aligned, noise(1, len(aligned)))
	x.open("a", "f", unix.O_CREAT|unix.O_RDWR|unix.O_DIRECT)
	x.write("a", aligned)
	x.open("b", "f", unix.O_RDWR)
	x.look("b")
	x.pwrite("b", noise(2, 100), 5000)
	x.pwrite("a", aligned[:block], 2*block)
	x.look("b")
	n, err := unix.Pread(x.fds["a"], aligned[:block], 0)
	x.note("direct read: %d %s %s", n, outcome(err), sum(aligned[:block]))
	x.close("a")
	x.close("b")
	x.read("f")
}

// refusedContent is what a program must be refused.
func refusedContent(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_WRONLY)
	x.write("a", []byte("abc"))
	_, err := unix.Pread(x.fds["a"], make([]byte, 3), 0)
	x.done("read of what is open for writing", err)
	x.pwrite("a", []byte("x"), -1)
	x.truncate("a", -1)
	x.close("a")
	x.open("a", "f", unix.O_RDONLY)
	x.write("a", []byte("x"))
	x.truncate("a", 0)
	x.close("a")
	x.open("a", "f", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	x.open("a", "f/below", unix.O_CREAT|unix.O_WRONLY)
	x.open("a", ".", unix.O_WRONLY)
	x.open("a", "missing", unix.O_WRONLY)
	x.done("truncate of a directory", unix.Truncate(x.dir, 0))
	x.done("link", unix.Link(x.path("missing"), x.path("l")))
}

// changeCommitted patches a committed file of several parts in its middle, at
// its end and beyond.
func changeCommitted(x *trace) {
	x.open("a", "f", unix.O_CREAT|unix.O_WRONLY)
	for i := range 3 {
		x.write("a", noise(byte(i), part))
	}
	x.close("a")
	x.open("a", "f", unix.O_RDWR)
	x.pwrite("a", []byte("middle"), 2*part-3)
	x.look("a")
	x.pwrite("a", noise(9, block), 3*part-100)
	x.pwrite("a", []byte("beyond"), 4*part)
	x.look("a")
	x.close("a")
	x.read("f")
	x.open("a", "f", unix.O_WRONLY)
	x.truncate("a", part+1)
	x.close("a")
	x.read("f")
}
