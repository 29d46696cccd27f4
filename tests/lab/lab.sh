# What the commands of the lab share. A lab is known by its folder, and nothing else has to be remembered: what is alive
# is found by looking.
#
# All of a lab lives in namespaces of its own (processes, mounts, network) below one process, the keeper. When the keeper
# ends, however it ends, the kernel takes the processes, mounts, bridges and addresses away with it.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${QUARTERDECK_LAB:-/var/tmp/quarterdeck-lab}
name=$(basename "$0")
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s: %s\n' "$name" "$*" >&2; }
die() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }

# Says in one sentence what is missing.
must_be_able() {
    [ "$(uname -s)" = Linux ] || die "the lab needs Linux: its machines are containers of systemd-nspawn"
    [ "$(id -u)" = 0 ] || die "the lab needs root: it makes namespaces, mounts and containers (sudo $0)"
    local program missing=()
    for program in systemd-nspawn:systemd-container debootstrap:debootstrap ip:iproute2 mkfs.ext4:e2fsprogs \
        unshare:util-linux nsenter:util-linux ssh:openssh-client pgrep:procps; do
        command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
    done
    [ ${#missing[@]} = 0 ] || die "the lab needs these Debian packages: apt-get install ${missing[*]}"
    unshare --mount --net --pid --fork true 2>/dev/null || die "the lab needs namespaces, and here root may not make them"
    [ -e /dev/loop-control ] || die "the lab needs loop devices for the disks of its machines, and this kernel has none"
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || die "the lab needs overlayfs, and this kernel has none"
}

# One command at a time changes a lab.
only_one() {
    mkdir -p "$state"
    exec 9>"$state/lock"
    flock -w 300 9 || die "another command is at work on the lab at $state for five minutes already"
}

# The processes that carry a word of ours, with the folder of this lab, in their environment.
marked() {
    local environment
    for environment in $(grep -lzsx "$1=$state" /proc/[0-9]*/environ); do
        environment=${environment#/proc/}
        printf '%s\n' "${environment%/environ}"
    done
}

# The keeper: of those that were started as one, the first process of another process namespace.
keeper() {
    local pid
    for pid in $(marked QUARTERDECK_LAB_KEEPER); do
        if [ "$(awk '/^NSpid:/ { print $3 }' "/proc/$pid/status" 2>/dev/null)" = 1 ]; then
            printf '%s\n' "$pid"
            return
        fi
    done
    return 1
}

# Runs a command in all namespaces of the lab.
inside() { nsenter --target "$keeper" --mount --net --ipc --pid -- env -C / "$@"; }

need_lab() {
    [ "$(id -u)" = 0 ] || die "the lab needs root (sudo $0)"
    keeper=$(keeper) || die "there is no lab at $state: tests/lab/up N makes one"
}

machines() { cut -d ' ' -f 1 "$state/machines"; }

need_machine() {
    need_lab
    machines | grep -qx -- "${1:-}" || die "there is no machine \"${1:-}\"; there are $(machines | tr '\n' ' ')"
}

# The container of a machine, as a process of ours.
container() {
    pgrep --ns "$keeper" --nslist pid -fx "systemd-nspawn .* --machine=$1 .*" | head -1 | grep .
}

# The first process of a machine.
leader() {
    local container
    container=$(container "$1") && pgrep --parent "$container" | head -1 | grep .
}

# Runs a command on a machine, whether or not its network works.
within() {
    local leader
    leader=$(leader "$1") || die "$1 is not running"
    shift
    nsenter --target "$leader" --mount --uts --ipc --net --pid -- \
        env -i -C / PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"
}

# Waits, at most so many seconds, until a command succeeds.
await() {
    local seconds=$1 end
    shift
    end=$((SECONDS + seconds))
    until "$@" 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Groups of processes outlive the keeper, so they carry the name of the lab.
groups=quarterdeck-lab-$(printf %s "$state" | sha256sum | cut -c 1-8)

# Where each hierarchy of process groups is mounted here: one with version 2, many with version 1.
hierarchies() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts; }

# Takes away what the lab had of them; false while something is still in there.
remove_groups() {
    local hierarchy
    for hierarchy in $(hierarchies); do
        [ ! -d "$hierarchy/$groups" ] || find "$hierarchy/$groups" -depth -type d -exec rmdir {} + || return 1
    done
}
