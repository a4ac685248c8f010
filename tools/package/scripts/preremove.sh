#!/bin/sh
# Before the package is removed, and not before an upgrade: its units end, each once all is uploaded,
# and nothing is left that names them.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl stop 'mcfs@*.service' || true
fi
for link in /etc/systemd/*/*.wants/mcfs@*.service; do
	if [ -L "$link" ]; then
		rm -f "$link"
		rmdir --ignore-fail-on-non-empty "$(dirname "$link")" || true
	fi
done
