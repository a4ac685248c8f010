# make demo     show all of it on this machine, in seconds, without an account
# make check    gofmt, vet, and the tests of what differs from main, in under a minute; or of folders: ROOM="spool keys"
# make test     every test, against a real S3 server and real mounts
# make soak     random system calls against a plain directory, $(SOAK) long in each of $(MODES)
# make faults   every fault at every request, and a workload at random for $(FAULTS)
# make conformance  compares calls, permissions, ACLs and random operations with a plain directory, as root
# make torture  kills a busy mount $(KILLS) times, and demands all that was promised
# make bench    mcfs and its peers at the same work, in turn, into bench/RESULTS.md (40 min); some rows: BENCH="-only 'read|fio'"; against another mcfs: BENCH="-before BINARY"
# make build    bin/mcfs
# make install  bin/mcfs into $(PREFIX)/bin, and its manual pages into $(PREFIX)/share/man
# make package  dist/: .deb, .rpm, .apk and tarballs, with bills of materials and sums, the same bytes wherever they are made; VERSION=1.2.3, else git's
# make lint     vet, gofmt, staticcheck, go mod tidy, and the same for macOS
# make fuzz     each fuzz target for $(FUZZTIME)
# make large    renames an object above 5 GiB, over a kill; kills each command without a mount 50 times over 1,000 files; 64 GiB through a spool of 2 GiB, 20 GiB in each mode; trees of 10,000 and 20,000 files (20 min)
# make growth   rounds of ordinary work for $(GROWTH), after which the daemon must be as small as before
# make pictures makes the pictures of the README: the page, dark and light, and a recorded terminal
# make compatibility ENDPOINT=http://…  asks an S3 server what mcfs needs of it: docs/compatibility.md
# make clean    remove bin/, dist/, the built S3 server, and the programs that tests share

SHELL    := /bin/bash
PREFIX   ?= /usr/local
FUZZTIME ?= 10s
SOAK     ?= 30m
FAULTS   ?= 10m
GROWTH   ?= 20m
MODES    ?= CTR CBC GCM
KILLS    ?= 500
EXERCISE ?= 300000
STANDING ?= 2m
# For a shell whose PATH has no Go.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin

CACHE       := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mcfs-test
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The S3 server of the tests; s3test takes it from here.
SERVER := $(CACHE)/versitygw-parts
export VERSITYGW ?= $(SERVER)
# The rclone of the bench: today's, where Debian's is years old.
export RCLONE ?= $(CACHE)/rclone

.PHONY: all build demo check test soak conformance faults torture large growth pictures compatibility bench install package lint fuzz clean packages fuse-packages bench-packages versitygw
all: build

# As in the packages, but for its symbols; version and revision are git's, also where GOFLAGS would leave them out.
build:
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -o bin/mcfs ./cmd/mcfs

demo: fuse-packages build
	@bin/mcfs demo

# Of packages with long tests it runs those beside the changed files: see .ci/check.
check: versitygw
	@.ci/check $(ROOM)

# Those that take longest: begun first, none runs on alone at the end.
LONG := $(addprefix ./,volume cmd/mcfs e2e/programs e2e e2e/faults e2e/model e2e/posix e2e/machines fs store/s3 volume/fetch)

test: packages versitygw
	@.ci/race $(LONG) ./...

# Half of the time of each mode is spent with a spool that has room for everything, and
# half with parts of 32 KiB and a spool of 1 MiB, in which one file may be larger than it.
# A failure prints the seed and the shortest script of steps that fails; in
# e2e/model/testdata (of a small spool: testdata/small) the script becomes a test. Modes can run side by side:
# make soak MODES=CTR & make soak MODES=GCM
soak: packages versitygw
	MCFS_SOAK=$(SOAK) MCFS_SOAK_MODES="$(MODES)" go test -count=1 -timeout 0 -run '^TestSoak$$' -v ./e2e/model

# What suites for file systems ask, by programs of this repository, each step compared with
# a plain directory: every call with every kind and length of name, done and refused, and
# which times it moves; who may do what; setuid and ACLs; contents, and $(EXERCISE) random calls
# on a file, whose seed a failure prints; names that must stand while others change them,
# $(STANDING) long. What differs by design is in docs/semantics.md.
conformance: packages versitygw
	MCFS_CONFORMANCE=1 go test -count=1 -timeout 30m -v -run '^(TestMount|.*AsOnADisk|TestWhatDiffersHasARow|TestOwnerOfAll)$$' ./fs
	MCFS_EXERCISE=$(EXERCISE) MCFS_STANDING=$(STANDING) go test -count=1 -timeout 0 -v \
	  -run '^(TestPosixSuite|TestContentAsOnADisk|TestExercise|TestNamesThatStand|TestNamesThatStandOnTwoMachines|TestMap|TestOpenFilesGoOn|TestSymlinks|TestLocks)$$' ./e2e/posix
	go test -count=1 -timeout 20m -v -run '^TestModel$$' ./e2e/model

# A failure of the workload names its seed, which goes into the list in e2e/faults.
faults: packages versitygw
	MCFS_FAULTS=$(FAULTS) go test -count=1 -timeout 0 -v ./e2e/faults

# Each seed is a world of up to 16 kills, in a mode and with a durability of its own; in
# half of them parts have 32 to 128 KiB and the spool 2 to 4 MiB, so that it is full again
# and again. A kill takes 2 s on two cores. A failure prints the seed, the promise, and
# what was done there, and keeps spool and bucket. MCFS_SEED=… begins with a seed; it draws the same calls, but the
# instants of the kills are the machine's.
torture: packages versitygw
	MCFS_TORTURE=$(KILLS) go test -count=1 -timeout 0 -run '^TestTorture$$' -v ./e2e/torture

install: build
	install -D -m 0755 bin/mcfs $(DESTDIR)$(PREFIX)/bin/mcfs
	bin/mcfs man $(DESTDIR)$(PREFIX)/share/man/man1

# Of the time of the revision, or SOURCE_DATE_EPOCH's. VERSION, MAINTAINER and TARGETS may be said; DOWNLOAD, the URL
# where the files will be, adds a formula of Homebrew; SIGN, a command of yours, signs the sums: docs/install.md.
package: export SIGN ?=
package:
	rm -rf dist
	go build -C tools/package -o $(CURDIR)/bin/package .
	bin/package -source . -out dist $(if $(VERSION),-version '$(VERSION)') $(if $(MAINTAINER),-maintainer '$(MAINTAINER)') $(if $(TARGETS),-targets '$(TARGETS)') $(if $(DOWNLOAD),-download '$(DOWNLOAD)') -sign "$$SIGN"

# What tests and demonstration need, as COMMAND:PACKAGE of Debian.
FUSE_PACKAGES := fusermount3:fuse3 openssl:openssl ffmpeg:ffmpeg
PACKAGES      := $(FUSE_PACKAGES) gcc:gcc git:git rsync:rsync node:nodejs jq:jq xxd:xxd \
                 vim:vim nano:nano tmux:tmux sqlite3:sqlite3 zip:zip unzip:unzip \
                 Xvfb:xvfb xdotool:xdotool mousepad:mousepad thunar:thunar nautilus:nautilus dbus-run-session:dbus-daemon gio:libglib2.0-bin \
                 python3:python3 perl:perl patch:patch wget:wget curl:curl ar:binutils aria2c:aria2 yt-dlp:yt-dlp 7z:p7zip-full qpdf:qpdf \
                 exiftool:libimage-exiftool-perl AtomicParsley:atomicparsley restic:restic borg:borgbackup unison:unison lftp:lftp axel:axel ziptool:ziptool smbclient:smbclient mandoc:mandoc lintian:lintian rpm:rpm dnf:dnf createrepo_c:createrepo-c busybox:busybox-static systemd-analyze:systemd xmllint:libxml2-utils chromium:chromium \
                 /usr/lib/*/samba/vfs/fruit.so:samba-vfs-modules impacket-rpcdump:python3-impacket

BENCH_PACKAGES := $(FUSE_PACKAGES) git:git rsync:rsync s3fs:s3fs gocryptfs:gocryptfs fio:fio

packages: WANTED := $(PACKAGES)
fuse-packages: WANTED := $(FUSE_PACKAGES)
bench-packages: WANTED := $(BENCH_PACKAGES)
packages fuse-packages bench-packages:
	@.ci/packages $(WANTED)
	@case "$(WANTED)" in *smbclient*) \
	  .ci/unpack smbd samba usr/sbin/smbd $(CACHE)/samba samba-libs && \
	  .ci/unpack pdbedit samba usr/bin/pdbedit $(CACHE)/samba samba-libs && \
	  .ci/smbtorture $(CACHE)/samba && \
	  .ci/unpack promtool prometheus usr/bin/promtool $(CACHE)/prometheus;; esac
	@case "$(WANTED)" in *chromium*) .ci/axe $(CACHE)/axe-core.js;; esac

versitygw: $(SERVER)
$(SERVER): tools/versitygw/go.mod tools/versitygw/go.sum tools/versitygw/build
	@mkdir -p $(@D)
	@echo "building the S3 server of the tests, once (about 90 s)"
	tools/versitygw/build $@
	@touch $@

large: packages versitygw
	MCFS_TEST_LARGE=$$((5300 << 20)) go test -count=1 -timeout 14m -run '^TestRenameOfALargeObject$$' ./e2e
	MCFS_TEST_LONG=1 go test -count=1 -timeout 60m -run '^TestLongFile$$' -v ./e2e
	MCFS_TEST_LONG=1 go test -count=1 -timeout 60m -run '^TestSecondRsyncAsksForListingsOnly$$' -v ./e2e/meta
	MCFS_TEST_LONG=1 go test -count=1 -timeout 20m -run '^TestRemoveManyFiles$$' -v ./e2e/programs
	MCFS_TEST_LONG=1 go test -count=1 -timeout 60m -run 'Killed$$' -v ./cmd/mcfs
	MCFS_BIG=1 go test -count=1 -timeout 60m -run '^TestMemory$$' -v ./e2e

# What a day brings is counted in the test: e2e/growth_linux_test.go.
growth: packages versitygw
	MCFS_TEST_GROWTH=$(GROWTH) go test -count=1 -timeout 0 -run '^TestNoGrowth$$' -v ./e2e

pictures: packages versitygw
	@mkdir -p docs/images
	MCFS_PICTURES=$(CURDIR)/docs/images go test -count=1 -timeout 10m -run '^TestPictures' ./e2e/page ./e2e/recording

# With AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; BUCKET is made if it is not there. For
# a server that knows no checksums: MCFS_CHECKSUM=none.
compatibility: versitygw
	MCFS_ENDPOINT="$(ENDPOINT)" MCFS_BUCKET="$(BUCKET)" go test -count=1 -timeout 10m -run '^TestServer$$' -v ./e2e/compatibility

# Another rclone: RCLONE=FILE. A geesefs takes part where GEESEFS=FILE names one.
bench: bench-packages versitygw $(RCLONE)
	go build -o bin/bench ./bench
	bin/bench $(BENCH)

$(CACHE)/rclone: tools/rclone/go.mod tools/rclone/go.sum
	@mkdir -p $(@D)
	@echo "building the rclone to compare with, once (about 5 min)"
	cd tools/rclone && go build -trimpath -o $@ github.com/rclone/rclone
	@touch $@

lint:
	go vet ./...
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt these: $$files"; exit 1; fi
	go run $(STATICCHECK) ./...
	@for arch in arm64 amd64; do \
	  echo "macOS, $$arch"; \
	  CGO_ENABLED=0 GOOS=darwin GOARCH=$$arch go build -trimpath -o /dev/null ./cmd/mcfs && GOOS=darwin GOARCH=$$arch go vet ./... || exit 1; done
	go mod tidy -diff
	@for module in package manifests apk goreleaser; do \
	  echo "tools/$$module"; \
	  go vet -C tools/$$module ./... && go run -C tools/$$module $(STATICCHECK) ./... || exit 1; done

fuzz:
	@set -e; for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package; done; done

clean:
	rm -rf bin dist $(SERVER) $(CACHE)/bin-* $(CACHE)/samba
