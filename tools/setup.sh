#!/usr/bin/env bash
# Installs the system packages for: lib (C only), run (build and relay), test (what `make test` needs besides).
# Silent when all are there. SKIP_APT=1 leaves packages to you.
set -euo pipefail

lib=(gcc libc6-dev libssl-dev make)
# Batched ciphers; the build does without where a machine has none.
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then lib+=(libipsec-mb-dev); fi
run=("${lib[@]}" libaom-dev libvpx-dev python3-dev python3-venv)
test=("${run[@]}" g++ chromium firefox-esr fonts-dejavu-core ffmpeg
  gstreamer1.0-nice gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0
  nftables iproute2 conntrack coturn libnss3-tools xvfb python3-tk valgrind clang libclang-rt-dev clang-format pkgconf)

die() {
  echo "rtcengine: $*" >&2
  exit 1
}

case "${1:-}" in
  lib) wanted=("${lib[@]}") ;;
  run) wanted=("${run[@]}") ;;
  test) wanted=("${test[@]}") ;;
  *) die "usage: tools/setup.sh lib|run|test" ;;
esac
[ -z "${SKIP_APT:-}" ] || exit 0

missing=()
for package in "${wanted[@]}"; do
  # A package of several architectures prints one word for each; one that is unknown prints nothing.
  status=$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true)
  [[ " $status" == *" installed "* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
  die "apt is not here to install: ${missing[*]}. Install what corresponds to them, then add SKIP_APT=1 to the make command."
# Ubuntu's chromium is a snap, which no driver can steer, and it has no firefox-esr.
if [ "$1" = test ] && ! (. /etc/os-release && [ "${ID:-}" = debian ]); then
  die "make test needs Debian 12 or 13 for its browsers; 'make check' runs here. Missing: ${missing[*]}"
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || die "neither root nor sudo: as root, run: apt-get install ${missing[*]}"
  sudo=(sudo)
fi

echo "rtcengine: installing ${missing[*]}"
"${sudo[@]}" apt-get update -qq || echo "rtcengine: apt-get update failed; trying with the lists at hand" >&2
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  die "apt could not install: ${missing[*]}"
# The tests start a TURN server of their own; the package's service need not listen on this machine.
if [[ " ${missing[*]} " == *" coturn "* ]] && [ -d /run/systemd/system ]; then
  "${sudo[@]}" systemctl disable -q --now coturn || true
fi
