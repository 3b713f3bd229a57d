#!/usr/bin/env bash
# Makes of cargo's static archive one whose only global names are those of the header.
#
#   tools/localise.sh FROM.a TO.a
#
# cargo's has SQLite and sqlite-vec in it under their own names: beside another SQLite a program would not link, or worse,
# one of the two would silently run on the other. Here all objects become one, and what is no function of ours becomes
# local to it.
set -euo pipefail

from=$1 to=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$(uname)" != Linux ]; then
  # There is no objcopy on macOS; the archive there is as cargo made it, for programs without another SQLite.
  cp "$from" "$to"
  exit
fi

# What no function of ours reaches is left out (--gc-sections); groups of sections are dissolved, because their names
# would be global.
roots=$(nm --defined-only "$from" 2>/dev/null | awk '$2 == "T" && $3 ~ /^qntx_embed_/ { print "-u " $3 }' | sort -u)
# shellcheck disable=SC2086 # one word each
ld -r --whole-archive --force-group-allocation --gc-sections $roots "$from" -o "$work/qntx_embed.o"
objcopy --wildcard --keep-global-symbol='qntx_embed_*' --remove-section=.llvmbc --remove-section=.llvmcmd \
  --strip-debug "$work/qntx_embed.o"

others=$(nm --defined-only --extern-only "$work/qntx_embed.o" | awk '$3 !~ /^qntx_embed_/ { print $3 }')
[ -z "$others" ] || { echo "localise: these names are still global: $others" >&2; exit 1; }

rm -f "$to"
ar rcs "$to" "$work/qntx_embed.o"
