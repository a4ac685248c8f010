# bare.sh, read by install.sh: a root of another family, into which a package manager that is not ours
# installs. No mirror of Fedora or Alpine is asked. What such a system has of its own is packed out of this
# system's programs, as far as it is needed: a shell, mount(8) and fusermount3. So the root has nothing but what packages bring.

# closure prints programs, and the libraries that they load.
closure() { { printf '%s\n' "$@" && { ldd "$@" 2>/dev/null || true; } | grep -oE '/[^ ]+\.so[^ ]*'; } | sort -u; }

# lay FOLDER FILE...: copies files to where they are here, or below /usr, where that is asked.
lay() {
	local to=$1 path
	shift
	for path in "$@"; do
		install -D "$path" "$to$below${path#"$below"}"
	done
}

# A base system as Fedora lays it out: all below /usr, /usr/sbin a link, glibc, bash, util-linux.
fedora() {
	below=/usr
	lay "$1" $(closure $(type -P bash mount umount findmnt mkdir rmdir rm cat env dirname))
	ln -s bash "$1/usr/bin/sh"
	ln -s bin "$1/usr/sbin"
	ln -s usr/bin "$1/bin"
	ln -s usr/bin "$1/sbin"
	ln -s usr/lib "$1/lib"
	ln -s usr/lib64 "$1/lib64"
	mkdir -p "$1"/{proc,dev,run,root,mnt,var/log,var/tmp,usr/lib64,usr/share/doc,usr/share/man/man1,usr/share/man/man8}
	mkdir -p "$1"/etc/systemd/system "$1"/usr/lib/systemd/{system,user} # which Fedora's systemd has
	mkdir -m 1777 "$1/tmp"
}

# A base system as Alpine lays it out: busybox is all of it.
alpine() {
	below=
	lay "$1" $(closure "$(readlink -f "$(type -P busybox)")")
	mkdir -p "$1"/{bin,run,root,mnt,sbin,usr/bin,usr/sbin}
	for name in sh mount umount mkdir rmdir rm cat env; do ln -s "$(readlink -f "$(type -P busybox)")" "$1/bin/$name"; done
}

# base makes the packages of the base system and of fuse3 in a folder.
base() {
	local made=$1 format=$2 family=$3
	mkdir -p "$made" "$WORK/tree/base/etc" "$WORK/tree/fuse3"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$WORK/tree/base/etc/passwd"
	"$family" "$WORK/tree/base"
	lay "$WORK/tree/fuse3" $(closure "$(type -P fusermount3)")
	(cd "$WORK/tree/base" && find . ! -type d) | while read -r path; do rm -f "$WORK/tree/fuse3/$path"; done # a file has one owner
	find "$WORK/tree/fuse3" -type d -empty -delete
	"$TOOLS/standin" -name base -format "$format" -provides /bin/sh -out "$made" "$WORK/tree/base"
	"$TOOLS/standin" -name fuse3 -format "$format" -out "$made" "$WORK/tree/fuse3"
}

refused() {
	if "$@" >"$WORK/refused" 2>&1; then fail "without fuse3 it was installed"; fi
	grep -q fuse3 "$WORK/refused" || fail "without fuse3: $(<"$WORK/refused")"
}

bare_dnf() {
	base "$WORK/repository" rpm fedora
	cp "$file" "$WORK/repository"
	createrepo_c --quiet "$WORK/repository"
	mkdir "$WORK/log"
	dnf() { "$(type -P dnf)" --quiet --assumeyes --installroot="$1" --releasever=1 --repofrompath=made,"$WORK/repository" --repo=made --nogpgcheck \
		--setopt=cachedir="$WORK/cache" --setopt=logdir="$WORK/log" --setopt=reposdir="$WORK/none" --setopt=pluginpath="$WORK/none" "${@:2}"; }
	dnf "$lower" install base
}
install_dnf() {
	refused dnf "$root" --exclude=fuse3 install mcfs
	dnf "$root" install mcfs
	owned() { rpm --root "$root" -ql mcfs fuse3; }
	remove() { dnf "$root" remove mcfs; } # and what was there for its sake
}

bare_apk() {
	base "$WORK/made" apk alpine
	"$TOOLS/apk" repository "$WORK/without" "$WORK"/made/base*.apk "$file"
	"$TOOLS/apk" repository "$WORK/repository" "$WORK"/made/*.apk "$file"
	"$TOOLS/apk" add "$lower" "$WORK/without" base
}
install_apk() {
	cp -a "$lower" "$WORK/again"
	refused "$TOOLS/apk" add "$WORK/again" "$WORK/without" mcfs
	"$TOOLS/apk" add "$root" "$WORK/repository" mcfs
	{ "$TOOLS/apk" owned "$root" mcfs && "$TOOLS/apk" owned "$root" fuse3; } >"$WORK/recorded"
	owned() { cat "$WORK/recorded"; }
	# What installs here cannot remove. So all goes that it has recorded, as apk del does it, but for folders of the base.
	remove() {
		while read -r path; do
			if [[ -d $lower$path ]]; then continue; fi
			if [[ -d $root$path && ! -L $root$path ]]; then rmdir --ignore-fail-on-non-empty "$root$path"; else rm "$root$path"; fi
		done <"$WORK/recorded"
	}
}
