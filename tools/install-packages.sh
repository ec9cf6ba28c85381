#!/bin/bash
# Installs the Debian packages listed in the given files (default: packages.txt beside this script) that are missing, in one apt-get call.
# Touches neither apt nor the network when everything is there.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -gt 0 ] || set -- "$here/packages.txt"
mapfile -t wanted < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "retort: not a Debian system, so nothing is installed; needed are what Debian calls: ${wanted[*]}" >&2
  exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
mapfile -t missing < <(printf '%s\n' "${wanted[@]}" | grep -vxF -f <(printf '%s\n' "$installed") || true)
[ ${#missing[@]} -gt 0 ] || exit 0

echo "retort: installing ${missing[*]}" >&2
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "retort: not root, and there is no sudo; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null; }

# The package lists are fetched only where they do not know a package, or are too old for the mirror.
known=$(apt-cache policy "${missing[@]}" | grep -c '^  Candidate: [^(]' || true)
[ "$known" = ${#missing[@]} ] || apt update
install=(install -y --no-install-recommends -o Dpkg::Use-Pty=0)
apt "${install[@]}" "${missing[@]}" >/dev/null || { apt update && apt "${install[@]}" "${missing[@]}" >/dev/null; }
