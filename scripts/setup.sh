#!/bin/sh
# Brings a machine that has Node (20 will do), npm and Debian's apt to where BoxLite runs.
#
#   sh scripts/setup.sh [start|test|bench|build|kernel|release]...
#
# Installs node_modules as the lock file says (with them comes the Node we run on), the Debian packages that
# the named tasks need, and builds the guest agent. Quick and silent where all of that is done already.
# shellcheck disable=SC2086 # lists of names are split into words on purpose
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- start

say() { printf 'setup: %s\n' "$*"; }

# --- node_modules ------------------------------------------------------------------------------------------

stamp=node_modules/.boxlite-lock
if ! cmp -s package-lock.json "$stamp"; then
  say "installing node_modules"
  # Not `npm ci`: it refuses a lock file that leaves out optional packages of other platforms, and a registry
  # mirror need not have those. This follows the lock file too, checks the same hashes and does not write it.
  npm install --no-save --no-progress --loglevel=error >/dev/null
  cp package-lock.json "$stamp"
fi

# --- Debian packages ---------------------------------------------------------------------------------------

# Lines of `package:command`: where there is no dpkg, the command tells whether it is there.
wanted() {
  case $1 in
    start) echo bubblewrap:bwrap e2fsprogs:mke2fs busybox-static:busybox
           [ "$(uname -m)" != x86_64 ] || echo user-mode-linux:linux.uml
           wanted build ;;
    build) echo gcc:gcc libc6-dev:gcc make:make musl-tools:musl-gcc ;;
    test)  wanted start; wanted qemu; wanted release
           echo clang:clang libclang-rt-dev:clang erofs-utils:mkfs.erofs attr:getfattr umoci:umoci skopeo:skopeo python3:python3 tmux:tmux \
             docker-registry:docker-registry procps:ps cpio:cpio openssl:openssl xz-utils:xz iproute2:ip util-linux:unshare curl:curl mandoc:mandoc strace:strace libseccomp2:python3 \
             dnsmasq-base:dnsmasq nginx-light:nginx iperf3:iperf3 git:git wget:wget python3-pip:pip3 python3-requests:python3 python3-websockets:python3 \
             default-jre-headless:java sqlite3:sqlite3 vim-tiny:vim.tiny ;;
    release) wanted build
           other=$([ "$(uname -m)" = x86_64 ] && echo aarch64 || echo x86-64)
           echo "gcc-$other-linux-gnu:$(echo "$other" | tr - _)-linux-gnu-gcc" ;;
    bench) wanted start; wanted qemu; echo runsc:runsc curl:curl ;;
    qemu)  echo "qemu-system-$([ "$(uname -m)" = x86_64 ] && echo x86:qemu-system-x86_64 \
             || echo arm:qemu-system-aarch64)" ;;
    kernel) wanted build
           echo flex:flex bison:bison bc:bc libelf-dev:gcc patch:patch xz-utils:xz ;;
    *) echo "setup: unknown task \"$1\"" >&2; exit 2 ;;
  esac
}

list=
for task in "$@"; do list="$list $(wanted "$task")"; done
list=$(printf "%s\n" $list | sort -u)

missing=
if command -v dpkg-query >/dev/null; then
  packages=$(printf '%s\n' $list | cut -d: -f1 | sort -u)
  installed=" $(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
    sed -n 's/ installed$//p' | tr '\n' ' ') "
  for package in $packages; do
    case $installed in *" $package "*) ;; *) missing="$missing $package" ;; esac
  done
else
  # An ordinary user's PATH leaves out the folders where mke2fs is.
  for pair in $list; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair#*:}" >/dev/null || missing="$missing ${pair%%:*}"
  done
fi

if [ -n "$missing" ]; then
  sudo=none
  if [ "$(id -u)" = 0 ]; then sudo=
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo='sudo -n'; fi
  if [ "$sudo" = none ] || ! command -v apt-get >/dev/null; then
    {
      say "these packages are missing (Debian's names):$missing"
      say "install them, as root:"
      say "  apt-get install --no-install-recommends$missing"
    } >&2
    exit 1
  fi

  # No service may start because its package is installed (docker-registry is one): invoke-rc.d asks this file.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
    trap '$sudo rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
  fi
  say "fetching the package lists"
  $sudo apt-get -qq update || say "some package lists could not be fetched; going on with what is there"
  say "installing$missing"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 \
    install --no-install-recommends $missing >/dev/null
fi

# --- the guest agent ---------------------------------------------------------------------------------------

if ! make -q -C guest >/dev/null 2>&1; then
  say "building the guest agent"
  make -s --no-print-directory -C guest
fi

# --- and the one of the other architecture, for the package --------------------------------------------------

case " $* " in *" release "* | *" test "*)
  if ! make -q -C guest cross >/dev/null 2>&1; then
    say "building the guest agent of the other architecture"
    make -s --no-print-directory -C guest cross
  fi ;;
esac
