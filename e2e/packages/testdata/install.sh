# install.sh KIND FILE: installs a package on top of this system, or in a root of another family, in layers that
# are given up at the end; uses it there as the guide says, and removes it. It runs in a mount and PID namespace of its own.
set -o pipefail
kind=$1 file=$2
fail() {
	echo "$*" >&2
	exit 1
}

mount -t tmpfs layers "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root" "$WORK/bare"
root=$WORK/root lower=/
case $kind in dnf | apk)
	lower=$WORK/bare
	. "$(dirname "$0")/bare.sh"
	"bare_$kind"
	;;
esac
mount -t overlay -o "lowerdir=$lower,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$root"
if [[ $kind == apk ]]; then install_apk; fi # which looks at all that is in the root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
cp "$file" "$root/tmp/package"
in_root() { env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot "$root" "$@"; }

# What the package manager itself writes.
theirs='^(var/lib/(dpkg|rpm|dnf|systemd)|var/log|var/cache|etc/(ld\.so\.cache|apk)|lib/apk|root/\.rpmdb)(/|$)'
# left prints what is in the upper layer and is no folder of the system below.
left() {
	(cd "$WORK/upper" && find . -mindepth 1 -printf '%P\n') | while read -r path; do
		if [[ $path =~ $theirs ]] || [[ -d $WORK/upper/$path && -d $lower/$path ]]; then continue; fi
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
dnf) install_dnf ;;
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
if [[ -e $root/bin/bash ]]; then
	[[ $(in_root bash -c '. /usr/share/bash-completion/completions/mcfs; complete -p mcfs') == *mcfs ]] || fail "bash has no completion"
fi

# By the lines of the guide for fstab, both of one volume. At boot there is no HOME.
in_root env HOME=/root mcfs init --local --config /etc/mcfs/ingest.toml --mountpoint /mnt/ingest --boot fstab
mounted() { [[ $(in_root cat /proc/mounts) == *" /mnt/ingest fuse.mcfs "* ]]; }
held() {
	mounted || fail "not mounted by $1: $(in_root cat /proc/mounts)"
	echo moving pictures >"$root/mnt/ingest/$1.mov"
	[[ $(stat -c %u:%g "$root/mnt/ingest/$1.mov") == 1000:1000 ]] || fail "$1.mov is another's than the line says"
	in_root mcfs settings "/mnt/ingest/$1.mov" | jq -e '.DecryptionSettings.DecryptionMode == "AES_CTR"' >/dev/null
	diff <(jq -S . "$root/mnt/ingest/$1.mov.settings.json") <(in_root mcfs settings "/mnt/ingest/$1.mov" | jq -S .)
	in_root env HOME=/root mcfs job "/mnt/ingest/$1.mov" --output s3://deliver/ --role arn:aws:iam::111122223333:role/MediaConvert >"$WORK/job"
	jq -e --slurpfile settings "$root/mnt/ingest/$1.mov.settings.json" '.Settings.Inputs[0] | contains($settings[0])' "$WORK/job" >/dev/null || fail "the job: $(<"$WORK/job")"
	in_root mcfs unmount /mnt/ingest
	if mounted; then fail "still mounted"; fi
}
printf '%s' "$CONFIG" >"$root/etc/mcfs/ingest.toml" # of a bucket and a key, where init has taken a folder
mkdir "$root/root/.aws"
printf '%s' "$CREDENTIALS" >"$root/root/.aws/credentials"
in_root mount /mnt/ingest
mounted || fail "not mounted by the line of mcfs init: $(<"$root/etc/fstab")"
in_root mcfs unmount /mnt/ingest
if [[ $kind == apk ]]; then LINE=$BUSYBOX; fi
echo "$LINE" >"$root/etc/fstab"
in_root mount /mnt/ingest
held boot

# With the line for the first use, systemd's generator makes units, and systemd calls mount(8) with what they say.
if [[ $kind != apk ]]; then # Alpine has no systemd
	echo "$AUTOMOUNT" >"$root/etc/fstab"
	mkdir "$WORK/units" "$WORK/early" "$WORK/late"
	SYSTEMD_FSTAB=$root/etc/fstab SYSTEMD_SYSROOT_FSTAB=/dev/null \
		/usr/lib/systemd/system-generators/systemd-fstab-generator "$WORK/units" "$WORK/early" "$WORK/late"
	systemd-analyze verify --man=no "$WORK/units/mnt-ingest.mount" "$WORK/units/mnt-ingest.automount"
	[[ -L $WORK/units/remote-fs.target.wants/mnt-ingest.automount ]] || fail "it is not begun with the network's file systems"
	[[ $(find "$WORK/units" -path '*.requires/*') == "" ]] || fail "without it, the machine does not start"
	said() { sed -n "s/^$1=//p" "$WORK/units/mnt-ingest.mount"; }
	[[ $(said Where) == "$(sed -n 's/^Where=//p' "$WORK/units/mnt-ingest.automount")" ]] || fail "the units are of two places"
	in_root mount "$(said What)" "$(said Where)" -t "$(said Type)" -o "$(said Options)"
	held first-use
	# This system's mount(8) keeps x-systemd.* to itself; the helper understands them where another does not.
	in_root /sbin/mount.fuse.mcfs "$(said What)" "$(said Where)" -o "$(said Options)"
	held whole-line
fi

# By unit, as systemd would run its commands: with no HOME, and a socket to which the state is told.
unit=$root/usr/lib/systemd/system/mcfs@.service
if [[ $lower == / ]]; then systemd-analyze verify --man=no --root="$root" mcfs@ingest.service; fi # the bare ones have no other units
value() { sed -n "s/^$1=-\?//p" "$unit" | sed 's/%i/ingest/g'; }
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
[[ $(<"$root/mnt/ingest/boot.mov") == "moving pictures" ]] || fail "another content"
command ExecReload
in_root "${words[@]}"
command ExecStop
in_root "${words[@]}"
expect "ended with 0"

# Removed, nothing is left but what is the user's: the configuration, and what was saved.
if [[ $kind != apk ]]; then
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
	ln -s /usr/lib/systemd/system/mcfs@.service "$root/etc/systemd/system/multi-user.target.wants/mcfs@ingest.service"
fi
remove
while read -r path; do
	if [[ -e $root$path && ! -d $root$path ]]; then fail "$path is left"; fi
done <"$WORK/owned"
left | grep -vE '^root/\.(local|aws)(/|$)' >"$WORK/left" || true
diff <(printf '%s\n' etc/fstab etc/mcfs etc/mcfs/ingest.toml mnt/ingest) "$WORK/left" || fail "after its removal more, or less, is left"
echo "all of it held"
