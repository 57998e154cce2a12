#!/usr/bin/env bash
# A disk for fault tests: a file system on a loop device on nbdfuse on nbdkit on a file. nbdkit caches writes in memory until a
# flush (fsync, fdatasync, FUA), so that killing it is a power cut: what no flush reached is gone. No kernel module beside loop
# and fuse is needed. As root.
#
#   power-disk.sh up DIR [SIZE [MKFS OPTIONS]]   makes DIR/disk.img the first time; mounts DIR/mnt
#   power-disk.sh cut DIR                        power cut; `up` boots again
#   power-disk.sh eio DIR on|off                 while on, every write to the disk fails; reads go on
#   power-disk.sh down DIR                       clean unmount; idempotent, also after a cut
#   power-disk.sh fsck DIR                       checks the image of a disk that is down
set -uo pipefail
verb=$1
dir=$2

wait_for() { # COMMAND...: up to ten seconds
  for _ in $(seq 200); do "$@" && return 0; sleep 0.05; done
  echo "power-disk.sh: waited too long for: $*" >&2
  return 1
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# Ends a process that this script started, by the pid in a file.
end() { # NAME SIGNAL
  local pid
  [ -s "$dir/$1.pid" ] || return 0
  pid=$(cat "$dir/$1.pid")
  kill "-$2" "$pid" 2>/dev/null
  wait_for is_gone "$pid" || kill -9 "$pid" 2>/dev/null
  rm -f "$dir/$1.pid"
}

take_apart() {
  umount -l "$dir/mnt" 2>/dev/null
  [ -s "$dir/loop" ] && losetup -d "$(cat "$dir/loop")" 2>/dev/null
  rm -f "$dir/loop"
  umount -l "$dir/fuse" 2>/dev/null
  end nbdfuse TERM
  end nbdkit TERM
  rm -f "$dir/nbd.sock"
}

case $verb in
up)
  mkdir -p "$dir/mnt" "$dir/fuse"
  if [ ! -e "$dir/disk.img" ]; then
    truncate -s "${3:-256M}" "$dir/disk.img"
    # shellcheck disable=SC2086
    mkfs.ext4 -q -F ${4:-} "$dir/disk.img" || exit 1
  fi
  rm -f "$dir/eio" "$dir/nbd.sock"
  # The error filter stands above the cache, so that a write fails when it is made.
  nbdkit -P "$dir/nbdkit.pid" -U "$dir/nbd.sock" --filter=error --filter=cache file "$dir/disk.img" \
    cache=writeback cache-on-read=false \
    error-pwrite=EIO error-pwrite-rate=100% error-pwrite-file="$dir/eio" \
    error-zero=EIO error-zero-rate=100% error-zero-file="$dir/eio" \
    error-trim=EIO error-trim-rate=100% error-trim-file="$dir/eio" || exit 1
  wait_for test -S "$dir/nbd.sock" || exit 1
  nohup setsid nbdfuse -P "$dir/nbdfuse.pid" "$dir/fuse" --unix "$dir/nbd.sock" >"$dir/nbdfuse.log" 2>&1 </dev/null &
  if ! wait_for test -e "$dir/fuse/nbd"; then cat "$dir/nbdfuse.log" >&2; take_apart; exit 1; fi
  losetup -f --show "$dir/fuse/nbd" >"$dir/loop" || { take_apart; exit 1; }
  mount "$(cat "$dir/loop")" "$dir/mnt" || { take_apart; exit 1; }
  ;;
cut)
  end nbdkit KILL
  take_apart
  ;;
eio) if [ "$3" = on ]; then : >"$dir/eio"; else rm -f "$dir/eio"; fi ;;
down)
  mountpoint -q "$dir/mnt" && umount "$dir/mnt" 2>/dev/null
  take_apart
  ;;
fsck) fsck.ext4 -fn "$dir/disk.img" ;;
*) echo "power-disk.sh: no verb \"$verb\"" >&2; exit 2 ;;
esac
exit 0
