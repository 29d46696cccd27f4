# One machine of the lab: its cables, its disk, its power.

# Bytes of a machine's disk, as it seems to the machine: only what it writes takes room.
disk_bytes=$((8 << 30))

# Its own network: a cable to each of the bridges that it has an address on.
make_network() {
    local machine=$1 inner=$2 outer=$3 bridge address cable
    inside ip netns list | grep -qw "^$machine" || inside ip netns add "$machine"
    inside ip -n "$machine" link set lo up
    for bridge in inner outer; do
        address=${!bridge} cable=$machine-$bridge
        [ "$address" != - ] || continue
        if ! inside ip link show "$cable" >/dev/null 2>&1; then
            inside ip link add "$cable" type veth peer name "$bridge" netns "$machine"
        fi
        inside ip -n "$machine" address replace "$address/24" dev "$bridge"
        inside ip -n "$machine" link set "$bridge" up
        inside ip link set "$cable" master "$bridge" up
    done
}

# Its disk, and on it what makes a machine itself: name, identity, keys.
make_disk() {
    local machine=$1 place=/run/lab/$1 disk=$state/disks/$1
    ! inside mountpoint -q "$place/root" || return 0
    if [ ! -e "$disk" ]; then
        rm -f "$disk.new"
        truncate -s "$disk_bytes" "$disk.new"
        mkfs.ext4 -q -F -m 0 -O ^has_journal -E lazy_itable_init=1,nodiscard "$disk.new"
        mv "$disk.new" "$disk"
    fi
    inside mkdir -p "$place/disk" "$place/root"
    inside mountpoint -q "$place/disk" || inside mount -o loop,noatime "/run/lab/state/disks/$machine" "$place/disk"
    inside sh -euc '
        cd "/run/lab/$1/disk"
        mkdir -p upper/etc/ssh upper/home/ops/.ssh work containerd
        if [ ! -e upper/etc/machine-id ]; then
            rm -f upper/etc/ssh/ssh_host_*
            ssh-keygen -q -t ed25519 -N "" -C "" -f upper/etc/ssh/ssh_host_ed25519_key
            cp /run/lab/state/key.pub upper/home/ops/.ssh/authorized_keys
            chown -R "$(stat -c %u:%g /run/lab/base/home/ops)" upper/home/ops
            echo "$1" > upper/etc/hostname
            printf "127.0.0.1 localhost\n127.0.1.1 %s\n" "$1" > upper/etc/hosts
            tr -d - < /proc/sys/kernel/random/uuid > upper/etc/machine-id
        fi
        mount -t overlay -o lowerdir=/run/lab/base,upperdir=upper,workdir=work overlay ../root
    ' sh "$machine"
}

# The part of each hierarchy of process groups in which it lives, and sees no other.
make_group() {
    local hierarchy lab machine file
    for hierarchy in $(hierarchies); do
        lab=$hierarchy/$groups machine=$hierarchy/$groups/$1
        mkdir -p "$machine"
        if [ -e "$lab/cgroup.controllers" ]; then
            sed 's/\</+/g' "$lab/cgroup.controllers" >"$lab/cgroup.subtree_control" 2>/dev/null || true
        fi
        # Version 1 takes no process before these are said.
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$lab/$file" ] || [ -e "$lab/cgroup.controllers" ] || {
                cat "$hierarchy/$file" >"$lab/$file"
                cat "$hierarchy/$file" >"$machine/$file"
            }
        done
    done
}

# Turns it on.
boot() {
    ! container "$1" >/dev/null || return 0
    make_group "$1"
    inside sh -c 'log=/run/lab/state/logs/$2; setsid "$@" </dev/null >>"$log" 2>&1 &' sh "$here/power" "$1" 9>&-
}

# Takes its power away.
stop() {
    local container
    container=$(container "$1") || return 0
    kill -KILL "$(leader "$1")" "$container" 2>/dev/null || true
    await 20 off "$1" || die "$1 does not end"
}

off() { ! container "$1" >/dev/null; }

# As after an installation: nothing of what was on its disk is left, its keys included.
wipe() {
    stop "$1"
    inside sh -ec 'for place in root disk; do ! mountpoint -q "$1/$place" || umount "$1/$place"; done' sh "/run/lab/$1"
    rm -f "$state/disks/$1"
}

answers() {
    inside ip netns exec "$1" \
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/22 && read -r -t 2 line <&3 && [[ $line == SSH-* ]]' >/dev/null 2>&1
}

await_up() { await 120 answers "$1" || die "$1 did not come up: $(tail -5 "$state/logs/$1")"; }
