# Finds out what there is to do, starts the job if that is it, and follows its output until it has a result.

qd_begin() { printf '\n@%s start "%s"\n' "$qd_nonce" "$1"; }

qd_end() {
  printf '\n@%s end {"outcome":"%s","status":%s,"replayed":%s}\n' "$qd_nonce" "$1" "$2" "$3"
  exit 0
}

# The newest claim: a symbolic link, so that it is made whole or not at all, and by one alone.
qd_newest() {
  qd_g=0
  while [ -L "$qd_dir/claim.$((qd_g + 1))" ]; do qd_g=$((qd_g + 1)); done
  [ "$qd_g" -gt 0 ] || return 0
  IFS=:
  set -- $(readlink "$qd_dir/claim.$qd_g")
  unset IFS
  qd_pid=$1 qd_birth=$2 qd_life=$3 qd_its_run=$4 qd_its_attempt=$5 qd_its_digest=$6 qd_its_asked=$7
}

# Whether the job, or anything that it started, is still there.
qd_alive() {
  [ "$qd_life" = "$qd_boot" ] || return 1
  if qd_stat "$qd_pid"; then
    [ "$qd_born" = "$qd_birth" ]
    return
  fi
  qd_members "$qd_pid"
  [ -n "$qd_found" ] || return 1
  qd_orphaned=$((qd_orphaned + 1))
  if [ "$qd_orphaned" -gt $((qd_timeout * 2 + 20)) ]; then kill -KILL $qd_found 2> /dev/null; fi
  return 0
}

qd_receipt() {
  { IFS= read -r qd_line < "$qd_dir/receipt"; } 2> /dev/null || return 1
  case $qd_line in *"\"digest\":\"$qd_digest\""*) ;; *) return 1 ;; esac
  case $qd_line in *'"outcome":"skipped"'*) qd_outcome=skipped ;; *) qd_outcome=done ;; esac
}

# Writes out what is new since the offset.
qd_copy() {
  [ -f "$qd_dir/output.$qd_g" ] || return 0
  if [ "$1" = last ]; then
    tail -c "+$((qd_offset + 1))" "$qd_dir/output.$qd_g"
    return
  fi
  qd_size=$(wc -c < "$qd_dir/output.$qd_g")
  [ "$qd_size" -gt "$qd_offset" ] || return 0
  tail -c "+$((qd_offset + 1))" "$qd_dir/output.$qd_g" | head -c "$((qd_size - qd_offset))" || exit 1
  qd_offset=$((qd_size))
}

# KiB that are free where the records are; a big number where nobody knows.
qd_look_for_room() {
  qd_room=$(df -Pk "$qd_dir" 2> /dev/null | { read -r qd_line; read -r qd_line qd_line qd_line qd_room qd_line; echo "$qd_room"; })
  case $qd_room in '' | *[!0-9]*) qd_room=999999 ;; esac
}

# On a full disk the output is cut off as well, and what it says last is not why the step failed.
qd_look_at_disk() {
  case $qd_outcome in done | skipped | fenced) return 0 ;; esac
  qd_look_for_room
  [ "$qd_room" -ge 1024 ] ||
    printf '\nno space left on device: %s KiB are free on the disk of %s, and lines may be missing here\n' "$qd_room" "$qd_dir"
}

# Follows the newest job; ends the script with its result, or returns if it is gone without one.
qd_follow() {
  qd_nap=0.02
  while :; do
    if [ -f "$qd_dir/result.$qd_g" ]; then
      qd_copy last
      read -r qd_outcome qd_status < "$qd_dir/result.$qd_g"
      qd_look_at_disk
      qd_end "$qd_outcome" "$qd_status" "$1"
    fi
    qd_copy more
    if ! qd_alive && [ ! -f "$qd_dir/result.$qd_g" ]; then
      qd_copy more
      return
    fi
    sleep "$qd_nap" 2> /dev/null || sleep 1
    case $qd_nap in 0.02) qd_nap=0.05 ;; 0.05) qd_nap=0.1 ;; 0.1) qd_nap=0.2 ;; *) qd_nap=0.5 ;; esac
  done
}

# A job without a claim: no room for one is the usual reason.
qd_not_begun() {
  qd_look_for_room
  if [ "$qd_room" -lt 1024 ]; then
    echo "the job did not start or could not say how it ended: no space left on the disk of $qd_dir ($qd_room KiB)" >&2
  else
    echo "the job did not start: see that setsid is there and that $qd_dir can be written" >&2
  fi
  exit 74
}

# Starts a job of the next generation, and waits until it, or another one, has the claim.
qd_start() {
  qd_probe=$1
  qd_restarts=$((qd_restarts + 1))
  if [ "$qd_restarts" -gt 3 ]; then
    qd_look_for_room
    [ "$qd_room" -ge 1024 ] || qd_not_begun
    qd_end unknown 0 false
  fi
  qd_begin fresh
  qd_offset=0
  qd_g=$((qd_g + 1))
  qd_launch
  qd_tries=0
  while [ ! -L "$qd_dir/claim.$qd_g" ]; do
    qd_tries=$((qd_tries + 1))
    if [ "$qd_tries" -gt 500 ] || { [ "$qd_tries" -gt 3 ] && ! qd_stat "$qd_child" && [ ! -L "$qd_dir/claim.$qd_g" ]; }; then
      qd_not_begun
    fi
    sleep 0.01 2> /dev/null || sleep 1
  done
  qd_newest
  qd_follow false
}

qd_decide() {
  qd_newest
  qd_ours=no
  if [ "$qd_g" -gt 0 ] && [ "$qd_its_run" -eq "$qd_run" ] && [ "$qd_its_digest" = "$qd_digest" ]; then qd_ours=yes; fi
  # What only looks is asked anew, since the world may be another by now; but not by who lost the connection meanwhile.
  if [ "$qd_looks" = yes ] && [ "$qd_its_asked" != "$qd_asked" ]; then qd_ours=no; fi
  qd_over=yes
  if [ "$qd_g" -gt 0 ] && [ ! -f "$qd_dir/result.$qd_g" ]; then qd_over=no; fi
  if [ "$qd_ours" = yes ] && [ "$qd_over" = yes ] && [ "$qd_its_attempt" -ge "$qd_attempt" ]; then
    qd_begin attached
    qd_follow true
  elif [ "$qd_ours" = yes ] && [ "$qd_over" = no ] && qd_alive; then
    # Before the receipt: that comes a moment before the result, and its output has not all been read.
    qd_attach
  elif { [ "$qd_looks" = no ] || [ "$qd_ours" = yes ]; } && qd_receipt; then
    if [ "$qd_ours" = yes ]; then
      qd_begin attached
      qd_copy last
    else
      qd_begin receipt
    fi
    qd_end "$qd_outcome" 0 true
  elif [ "$qd_over" = yes ]; then
    qd_start no
  elif [ "$qd_its_run" -gt "$qd_run" ]; then
    qd_end fenced 0 false
  elif qd_alive; then
    qd_attach
  elif [ -f "$qd_dir/result.$qd_g" ]; then
    return
  elif [ "$qd_once" = yes ] && [ "$qd_looks" = no ] && [ "$qd_its_run" -eq "$qd_run" ]; then
    # It began, it is gone, and it must not run twice: at most its check may say that it was done.
    [ "$qd_checks" = yes ] || qd_end unknown 0 false
    qd_start yes
  else
    qd_start no
  fi
}

# A job of ours is followed; one with another input has to end first.
qd_attach() {
  if [ "$qd_its_digest" = "$qd_digest" ]; then
    qd_begin attached
    qd_follow false
    return
  fi
  qd_waited=$((qd_waited + 1))
  if [ "$qd_waited" -gt $((qd_timeout + 60)) ]; then qd_end timedOut 124 false; fi
  sleep 1
}

qd_restarts=0 qd_orphaned=0 qd_waited=0
mkdir -p "$qd_dir" "$qd_state/fence/$qd_cluster" || exit 73
if qd_fenced; then qd_end fenced 0 false; fi
mkdir -p "$qd_state/fence/$qd_cluster/$qd_fence" || exit 73
while :; do qd_decide; done
