#!/bin/bash
# Runs a Linux program on a processor that has AVX-512 VNNI, which Bochs emulates: for kernels that the machine at hand
# cannot run. Says nothing about speed.
#
#   run.sh BINARY [ARGUMENTS...]
#
# Prints what the program prints, and gives 0 where that has a line "test result: ok". setup.sh comes first. In the
# environment: EMULATED_CPU (tigerlake; corei7_icelake_u, and corei7_skylake_x, which has AVX-512 without VNNI),
# EMULATED_TIMEOUT (900 seconds), EMULATED_MB (1024), EMULATED_KEEP=1 keeps the working directory.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)/target/avx512
root=$here/root
[ -d "$root" ] || { echo "run.sh: $root is missing; tests/avx512/setup.sh makes it" >&2; exit 2; }
[ $# -ge 1 ] || { echo "usage: run.sh BINARY [ARGS...]" >&2; exit 2; }
bin=$1; shift
[ -x "$bin" ] || { echo "run.sh: no executable $bin" >&2; exit 2; }
mkdir -p "$here/tmp"; w=$(mktemp -d "$here/tmp/run.XXXXXX")
[ -n "${EMULATED_KEEP-}" ] && echo "run.sh: work folder $w" >&2 || trap 'rm -rf "$w"' EXIT

lib=$root/usr/lib/x86_64-linux-gnu
kernel=$(ls -d "$root"/boot/vmlinuz-*-cloud-amd64 | tail -1)
busybox=$root/bin/busybox
cpu=${EMULATED_CPU-tigerlake}

# --- initramfs: busybox, /init, the binary and its arguments
i=$w/initrd; mkdir -p "$i"/{bin,dev,proc,sys,tmp}
cp "$busybox" "$i/bin/busybox"; ln -s busybox "$i/bin/sh"
cp "$bin" "$i/test"; strip "$i/test" 2>/dev/null
ldd "$bin" 2>/dev/null | grep -o '/[^ ]*' | while read -r l; do mkdir -p "$i$(dirname "$l")"; cp -L "$l" "$i$l"; done
{ echo 'exec /test \'; for a in "$@"; do printf '%q \\\n' "$a"; done; echo; } > "$i/run"
cat > "$i/init" <<'I'
#!/bin/sh
b=/bin/busybox
$b mount -t devtmpfs d /dev; $b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t tmpfs t /tmp
$b stty -F /dev/ttyS0 -opost 2>/dev/null
cd /tmp; export QNTX_EMBED_TEST_KERNEL=Vnni RUST_BACKTRACE=1 HOME=/tmp TMPDIR=/tmp PATH=/bin
echo "@@BEGIN"
$b setsid /bin/sh /run </dev/null 2>&1
echo "@@END $?"
# stty waits (TCSADRAIN) until the serial line has sent all that was written
$b stty -F /dev/ttyS0 opost; $b stty -F /dev/ttyS0 -opost; $b sleep 1
$b poweroff -f
I
chmod +x "$i/init"
(cd "$i" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc 2>/dev/null) > "$w/initrd.cpio" || exit 2

# --- ISO with isolinux. clearcpuid hides features whose sizes Bochs 2.7 gets wrong (PKU, XSAVEC, XSAVES) or announces by
# halves (FSRM) from the kernel, which would then not enable AVX-512, or hang.
d=$w/iso; mkdir -p "$d"
cp "$root/usr/lib/ISOLINUX/isolinux.bin" "$root/usr/lib/syslinux/modules/bios/ldlinux.c32" "$d/"
cp "$kernel" "$d/vmlinuz"; mv "$w/initrd.cpio" "$d/initrd"
cat > "$d/isolinux.cfg" <<C
DEFAULT l
PROMPT 0
TIMEOUT 1
LABEL l
 KERNEL vmlinuz
 APPEND initrd=initrd console=ttyS0,115200 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable no_timer_check nokaslr nowatchdog cgroup_disable=memory audit=0 selinux=0 apparmor=0 random.trust_cpu=on lpj=400000 clearcpuid=515,321,323,580 tsc_early_khz=200000 ${EMULATED_APPEND-}
C
LD_LIBRARY_PATH=$lib "$root/usr/bin/xorriso" -as mkisofs -quiet -o "$w/boot.iso" -b isolinux.bin -c boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$d" >"$w/xorriso.log" 2>&1 || { cat "$w/xorriso.log" >&2; exit 2; }
rm -rf "$i" "$d"

# --- Bochs
cat > "$w/bochsrc" <<C
config_interface: textconfig
display_library: term
cpu: model=$cpu, count=1, ips=${EMULATED_IPS-200000000}, reset_on_triple_fault=0
memory: guest=${EMULATED_MB-1024}, host=${EMULATED_MB-1024}
romimage: file=$root/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=$root/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$w/boot.iso, status=inserted
boot: cdrom
clock: sync=none
log: $w/bochs.log
panic: action=fatal
error: action=ignore
info: action=report
debug: action=ignore
sound: driver=dummy
speaker: enabled=0
parport1: enabled=0
mouse: enabled=0
com1: enabled=1, mode=file, dev=$w/serial
C
: > "$w/serial"; echo c > "$w/dbg"     # Debian's Bochs starts in its debugger: continue
t=${EMULATED_TIMEOUT-900}
# term display needs a terminal: script(1) gives it one
( cd "$w"; export LTDL_LIBRARY_PATH=$lib/bochs/plugins BXSHARE=$root/usr/share/bochs TERM=vt100
  [ -n "$root" ] && export LD_LIBRARY_PATH=$lib
  exec timeout -k 5 "$t" nice -n 15 script -qec "'$root/usr/bin/bochs-bin' -q -f bochsrc -rc dbg" /dev/null ) </dev/null >"$w/screen" 2>&1
tr -d '\r' < "$w/serial" > "$w/out"
if grep -q '^@@END' "$w/out"; then
  sed -n '/^@@BEGIN/,/^@@END/{//!p}' "$w/out"
  echo "run.sh: exit status $(sed -n 's/^@@END //p' "$w/out") on $cpu" >&2
else
  echo "run.sh: the guest did not finish; serial output, then Bochs's log:" >&2
  cat "$w/out" >&2; tail -15 "$w/bochs.log" >&2; exit 3
fi
sed -n '/^@@BEGIN/,/^@@END/p' "$w/out" | grep -q '^test result: ok'
