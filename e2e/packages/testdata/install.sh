# install.sh KIND FILE: installs a package on top of this system, in layers that are given up at the end;
# uses it there as the guide says, and removes it. It runs in a mount and PID namespace of its own.
set -o pipefail
kind=$1 file=$2
fail() {
	echo "$*" >&2
	exit 1
}

mount -t tmpfs layers "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/root"
root=$WORK/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
cp "$file" "$root/tmp/package"
in_root() { env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot "$root" "$@"; }

# What the package manager itself writes.
theirs='^(var/lib/(dpkg|rpm|systemd)|var/log|var/cache|etc/ld\.so\.cache|root/\.rpmdb)(/|$)'
# left prints what is in the upper layer and is no folder of the system below.
left() {
	(cd "$WORK/upper" && find . -mindepth 1 -printf '%P\n') | while read -r path; do
		if [[ $path =~ $theirs ]] || [[ -d $WORK/upper/$path && -d /$path ]]; then continue; fi
		echo "$path"
	done | sort
}

case $kind in
deb)
	in_root dpkg --install /tmp/package
	owned() { in_root dpkg --listfiles mcfs; }
	remove() { in_root dpkg --purge mcfs; }
	;;
rpm)
	in_root rpm --initdb
	in_root rpm --install --nodeps --force-debian /tmp/package
	owned() { in_root rpm -ql mcfs; }
	remove() { in_root rpm --erase --force-debian mcfs; }
	;;
esac
[[ $(in_root mcfs version) == "mcfs $VERSION, revision $REVISION, "* ]] || fail "version: $(in_root mcfs version)"
owned >"$WORK/owned"
while read -r path; do
	[[ -e $root$path ]] || fail "$path is not there"
	[[ $(stat -c %u:%g "$root$path") == 0:0 ]] || fail "$path is not root's"
done <"$WORK/owned"
[[ -x $root/sbin/mount.fuse.mcfs ]] || fail "mount(8) does not find its helper"
for page in "$root"/usr/share/man/man1/mcfs*.gz; do
	zcat "$page" >"$WORK/page.1"
	[[ -z $(mandoc -Tlint "$WORK/page.1") ]] || fail "$(mandoc -Tlint "$WORK/page.1")"
done
[[ $(in_root bash -c '. /usr/share/bash-completion/completions/mcfs; complete -p mcfs') == *mcfs ]] || fail "bash has no completion"

# By fstab. At boot there is no HOME.
in_root env HOME=/root mcfs init --local --config /etc/mcfs/films.toml --mountpoint /mnt/films
echo '/etc/mcfs/films.toml  /mnt/films  fuse.mcfs  _netdev,nofail  0 0' >>"$root/etc/fstab"
in_root mount /mnt/films
[[ $(in_root findmnt -no FSTYPE /mnt/films) == fuse.mcfs ]] || fail "not mounted: $(in_root findmnt /mnt/films)"
echo moving pictures >"$root/mnt/films/film.mov"
in_root mcfs settings /mnt/films/film.mov | jq -e '.DecryptionSettings.DecryptionMode == "AES_CTR"' >/dev/null
diff <(jq -S . "$root/mnt/films/film.mov.settings.json") <(in_root mcfs settings /mnt/films/film.mov | jq -S .)
in_root mcfs unmount /mnt/films
[[ -z $(ls -A "$root/mnt/films") ]] || fail "still mounted"

# By unit, as systemd would run its commands: with no HOME, and a socket to which the state is told.
unit=$root/usr/lib/systemd/system/mcfs@.service
systemd-analyze verify --man=no --root="$root" mcfs@films.service
value() { sed -n "s/^$1=-\?//p" "$unit" | sed 's/%i/films/g'; }
command() { read -ra words <<<"$(value "$1")"; words=("${words[@]//'${MOUNTPOINT}'/$mountpoint}"); }
mountpoint=$(value Environment | sed 's/^MOUNTPOINT=//')
command ExecStartPre
in_root "${words[@]}"
mkfifo "$WORK/told"
exec 3<>"$WORK/told"
expect() { read -r said <&3 && [[ $said == "$1" ]] || fail "$1 was to come, and came: $said"; }
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while b"READY=1" not in s.recv(4096):
    pass
print("ready", flush=True)
' "$root/run/notify" >&3 &
expect listening
command ExecStart
{
	status=0
	in_root env NOTIFY_SOCKET=/run/notify "${words[@]}" || status=$?
	echo "ended with $status" >&3
} &
expect ready
[[ $(<"$root/mnt/films/film.mov") == "moving pictures" ]] || fail "another content"
command ExecReload
in_root "${words[@]}"
command ExecStop
in_root "${words[@]}"
expect "ended with 0"

# Removed, nothing is left but what is the user's: the configuration, and what was saved.
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s /usr/lib/systemd/system/mcfs@.service "$root/etc/systemd/system/multi-user.target.wants/mcfs@films.service"
remove
while read -r path; do
	if [[ -e $root$path && ! -d $root$path ]]; then fail "$path is left"; fi
done <"$WORK/owned"
left | grep -vE '^root/\.local(/|$)' >"$WORK/left" || true
diff <(printf '%s\n' etc/fstab etc/mcfs etc/mcfs/films.toml mnt/films) "$WORK/left" || fail "after its removal more, or less, is left"
echo "all of it held"
