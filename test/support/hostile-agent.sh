#!/bin/sh
# A guest agent that misbehaves in one way, for tests. Runs in the guest, from memory: nothing of it is on the guest's disk. $mode stands in the file beside it.
port=/dev/virtio-ports/org.qemu.guest_agent.0
home=/run/hostile-agent
mode=$(cat $home/mode)
exec 3<>$port

say() { printf '%s\n' "$1" >&3; }
now() { cut -d. -f1 /proc/uptime; }
freeze() { fsfreeze --freeze / && : > $home/frozen; }
thaw() { [ -e $home/frozen ] || return 1; fsfreeze --unfreeze / && rm -f $home/frozen; }
listed() { printf '{"name": "%s", "enabled": true, "success-response": true}' "$1"; }

on_freeze() {
  case $mode in
    hangs-in-freeze) ;;
    freezes-late) (sleep 20; freeze) >/dev/null 2>&1 & ;;
    hangs-in-thaw) freeze && say '{"return": 1}' ;;
    # Never at random: what libvirt does depends on whether a NUL comes before the first end of line.
    garbage) printf '\001\376\200}]"garbage\033[2J' >&3; say ''; say '{"return": {"no end"' ;;
    garbage-with-nul) printf 'no end of line is seen \000 after this' >&3; say ''; say '{"return": 1}' ;;
    flood) printf '{"return": "' >&3; head -c 100000000 /dev/zero | tr '\000' x >&3; say '"}' ;;
  esac
}

on_thaw() {
  if [ "$mode" = hangs-in-thaw ]; then
    [ -e $home/first-thaw ] || now > $home/first-thaw
    [ $(($(now) - $(cat $home/first-thaw))) -ge 15 ] || return 0
  fi
  if thaw; then say '{"return": 1}'; else say '{"return": 0}'; fi
}

heal() {
  thaw
  say '{"return": {}}'
  umount -l /etc/init.d/guest-agent
  exit 0
}

answer() {
  command=${1##*\"execute\":}
  command=${command#*\"}
  command=${command%%\"*}
  case $command in
    guest-sync | guest-sync-delimited)
      id=${1##*\"id\":}
      id=${id# }
      [ $command = guest-sync ] || printf '\377' >&3
      say "{\"return\": ${id%%[!0-9-]*}}"
      ;;
    guest-ping) say '{"return": {}}' ;;
    guest-info)
      list=
      for name in guest-sync guest-ping guest-info guest-exec guest-exec-status guest-fsfreeze-status guest-fsfreeze-freeze guest-fsfreeze-thaw guest-shutdown; do
        list="$list${list:+, }$(listed $name)"
      done
      say "{\"return\": {\"version\": \"hostile-$mode\", \"supported_commands\": [$list]}}"
      ;;
    guest-fsfreeze-status) if [ -e $home/frozen ]; then say '{"return": "frozen"}'; else say '{"return": "thawed"}'; fi ;;
    guest-fsfreeze-freeze) on_freeze ;;
    guest-fsfreeze-thaw) on_thaw ;;
    # Every program "ends well": what hooks and health checks do is not what these modes are about.
    guest-exec) say '{"return": {"pid": 1}}' ;;
    guest-exec-status) say '{"return": {"exited": true, "exitcode": 0}}' ;;
    guest-shutdown) poweroff & ;;
    test-heal) heal ;;
    *) say "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command $command has not been found\"}}" ;;
  esac
}

while :; do
  # Nothing to read: nobody is connected on the host's side.
  if IFS= read -r line <&3; then answer "$line"; else usleep 100000; fi
done
