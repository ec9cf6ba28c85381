#!/bin/bash
# Builds and tests the project against libtorch 2.6 in a Debian 13 root.
#
#   sudo tools/debian13.sh ROOT [CTest arguments…]
#
# ROOT is made with debootstrap on the first run (about 4 GB with the packages) and used again afterwards. The checkout is seen read-only in
# it; the build tree is ROOT/var/tmp/retort. Mounts live in a namespace of their own and vanish with the script.
# $DEBIAN_MIRROR names another mirror; the apt settings of this machine (proxies, certificates) are taken along.
set -eu

[ $# -gt 0 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed -n '2,6p' >&2; exit 2; }
[ "$(id -u)" = 0 ] || exec sudo -- "$0" "$@"
root=$1
shift
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

if [ ! -e "$root/var/lib/dpkg/status" ] || [ -d "$root/debootstrap" ]; then
  if ! command -v debootstrap >/dev/null; then
    "$checkout/tools/install-packages.sh" <(echo debootstrap)
  fi
  debootstrap --variant=minbase trixie "$root" "$mirror"
fi
root=$(cd "$root" && pwd)

cp /etc/resolv.conf "$root/etc/resolv.conf"
grep -lsE '^[^/#]*(Acquire|Check-)' /etc/apt/apt.conf /etc/apt/apt.conf.d/* | while read -r settings; do
  cp "$settings" "$root/etc/apt/apt.conf.d/"
done
if [ -d /etc/ssl/certs ]; then
  mkdir -p "$root/etc/ssl" && cp -rL --update /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true
fi

export root checkout
unshare --mount --propagation private -- bash -eu -c '
  mount -t proc proc "$root/proc"
  [ -e "$root/dev/shm" ] || mkdir "$root/dev/shm"
  for device in null zero full random urandom shm; do
    [ -e "$root/dev/$device" ] || touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir -p "$root/src/retort" "$root/src/shared" "$root/var/tmp/retort"
  mount --bind -o ro "$checkout" "$root/src/retort"
  if [ -d "$checkout/../shared" ]; then mount --bind -o ro "$checkout/../shared" "$root/src/shared"; fi
  exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
    bash -eu -c "
      /src/retort/tools/install-packages.sh
      cmake -S /src/retort -B /var/tmp/retort -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
      cmake --build /var/tmp/retort
      cd /var/tmp/retort
      exec ctest --output-on-failure -j \$(nproc) \"\$@\"" retort "$@"
' retort "$@"
