#!/bin/sh
# Fetches the C library for agents of another architecture, Debian's musl-dev, into a folder:
#
#     sh scripts/musl-for.sh arm64 DIRECTORY
#
# With package lists of our own: the system's, and the packages it has, stay as they are.
set -eu
arch=$1 sysroot=$2
[ ! -e "$sysroot/usr/lib/musl" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
apt() {
  (cd "$work" && apt-get -qq -o "APT::Architectures=$arch" -o "Dir::State::lists=$work/lists" \
    -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@")
}
apt update
apt download "musl-dev:$arch" >/dev/null
dpkg-deb -x "$work"/musl-dev_*.deb "$work/root"

# The folders' names have the architecture in them; ours need not.
ln -s "$(basename "$work"/root/usr/lib/*-linux-musl)" "$work/root/usr/lib/musl"
ln -s "$(basename "$work"/root/usr/include/*-linux-musl)" "$work/root/usr/include/musl"
rm -rf "$sysroot"
mkdir -p "$(dirname "$sysroot")"
mv "$work/root" "$sysroot"
