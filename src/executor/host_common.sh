# What the follower and the job share. Plain POSIX shell; only builtins where it is called often.

# The session and the birth of a process, or false if there is none.
qd_stat() {
  { IFS= read -r qd_line < "/proc/$1/stat"; } 2> /dev/null || return 1
  qd_line=${qd_line##*) }
  set -- $qd_line
  [ "$1" != Z ] || return 1
  qd_session=$4 qd_born=${20}
}

# The processes of a session.
qd_members() {
  qd_found=
  for qd_entry in /proc/[0-9]*; do
    qd_entry=${qd_entry#/proc/}
    if qd_stat "$qd_entry" && [ "$qd_session" = "$1" ]; then qd_found="$qd_found $qd_entry"; fi
  done
}

# Whether this machine has seen a newer controller. Terms are directories: they only ever go up, whoever writes first.
qd_fenced() {
  for qd_term in "$qd_state/fence/$qd_cluster"/*; do
    qd_term=${qd_term##*/}
    case $qd_term in *[!0-9]*) continue ;; esac
    if [ "$qd_term" -gt "$qd_fence" ]; then return 0; fi
    if [ "$qd_term" -lt "$qd_fence" ]; then rmdir "$qd_state/fence/$qd_cluster/$qd_term" 2> /dev/null; fi
  done
  return 1
}

IFS= read -r qd_boot < /proc/sys/kernel/random/boot_id || qd_boot=none
