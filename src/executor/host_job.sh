# The job: it has the claim or does nothing. It stays when the connection goes, and leaves a result and a receipt.

# Ends what takes too long. It goes when the job does: it must not pass for something that is still at work.
qd_watch() {
  read -r qd_self qd_line < /proc/self/stat
  qd_left=$qd_timeout
  while [ "$qd_left" -gt 0 ]; do
    sleep 1
    qd_stat $$ || exit 0
    qd_left=$((qd_left - 1))
  done
  : > "$qd_dir/late.$qd_g"
  for qd_signal in TERM KILL; do
    qd_members $$
    for qd_pid in $qd_found; do
      case $qd_pid in $$ | "$qd_self") ;; *) kill "-$qd_signal" "$qd_pid" 2> /dev/null ;; esac
    done
    sleep 2
  done
}

qd_finish() {
  qd_outcome=$1 qd_status=$2
  # What was kept and not used is given back, to the result first of all.
  [ "$qd_kept" = no ] || truncate -c -s +0 "$qd_output" 2> /dev/null
  # After a timeout the watchdog has more to do: what ignored TERM gets KILL.
  [ -f "$qd_dir/late.$qd_g" ] || kill "$qd_watchdog" 2> /dev/null
  if [ -f "$qd_dir/late.$qd_g" ] && [ "$qd_outcome" != done ] && [ "$qd_outcome" != skipped ]; then
    qd_outcome=timedOut qd_status=124
  fi
  case $qd_outcome in
    done | skipped)
      printf '%s,"startedAt":"%s","finishedAt":"%s","outcome":"%s"}\n' "$qd_about" "$qd_from" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        "$qd_outcome" > "$qd_dir/receipt.$qd_g" && mv "$qd_dir/receipt.$qd_g" "$qd_dir/receipt" || exit 1
      ;;
  esac
  # Not cut off first: what is kept for it would go.
  printf '%s %s\n' "$qd_outcome" "$qd_status" 1<> "$qd_dir/new.$qd_g" && mv "$qd_dir/new.$qd_g" "$qd_dir/result.$qd_g"
  exit 0
}

# One script of the step. Not in a condition: there `set -e` would not count.
qd_part() {
  (
    qd_environment
    cd /
    umask 022
    set -eu
    eval "$1"
  ) < /dev/null
}

qd_stat $$
ln -s "$$:$qd_born:$qd_boot:$qd_run:$qd_attempt:$qd_digest:$qd_asked" "$qd_dir/claim.$qd_g" 2> /dev/null || exit 0
exec > "$qd_output" 2>&1
# Room for the result, and for the lines that say that the disk is full: else they are the first that are lost.
qd_kept=no
[ "$qd_output" = /dev/null ] || { fallocate -n -l 262144 "$qd_output" 2> /dev/null && qd_kept=yes; }
fallocate -n -l 64 "$qd_dir/new.$qd_g" 2> /dev/null
qd_from=$(date -u +%Y-%m-%dT%H:%M:%SZ)
qd_watch < /dev/null > /dev/null 2>&1 &
qd_watchdog=$!
if qd_fenced; then qd_finish fenced 0; fi
if [ "$qd_checks" = yes ]; then
  qd_part "$qd_check" > /dev/null 2>&1
  [ $? -ne 0 ] || qd_finish skipped 0
fi
[ "$qd_probe" = no ] || qd_finish unknown 0
if [ -n "$qd_act" ]; then
  qd_part "$qd_act"
  qd_status=$?
  [ "$qd_status" -eq 0 ] || qd_finish failed "$qd_status"
fi
if [ -n "$qd_verify" ]; then
  qd_part "$qd_verify"
  qd_status=$?
  [ "$qd_status" -eq 0 ] || qd_finish unverified "$qd_status"
fi
qd_finish done 0
