#!/bin/bash
# Fetches what run.sh needs from Debian 12 with apt, and extracts it into target/avx512; nothing is installed.
set -eu
dir=$(cd "$(dirname "$0")/../.." && pwd)/target/avx512
[ -d "$dir/root" ] && exit 0
rm -rf "$dir/debs" "$dir/new"
mkdir -p "$dir/debs" "$dir/new"
cd "$dir/debs"
apt-get update -qq
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/{print $2; exit}')
packages="bochs bochs-term bochsbios vgabios xorriso isolinux syslinux-common busybox-static"
# These always, and those of their dependencies that the machine lacks.
lacking=$(apt-get install -s --no-install-recommends $packages | awk '/^Inst/{print $2}')
apt-get download -qq $(printf '%s\n' $packages $lacking "$kernel" | sort -u)
for file in *.deb; do dpkg -x "$file" ../new; done
mv ../new ../root
