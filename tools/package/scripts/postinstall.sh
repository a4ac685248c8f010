#!/bin/sh
# An upgrade may bring other units.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
