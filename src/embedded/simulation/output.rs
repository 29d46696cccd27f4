//! What a step prints: lines as a Debian host would print them, made from one number, so that they can be made again
//! from the start when a lost connection is picked up.

use super::dice::Dice;
use crate::runbook::wire::Outcome;

/// Words in the name of a step or phase, and what such a step prints; `{n}` is a small number, `{h}` a digest, `{m}` the machine.
/// The first match counts.
const SCRIPTS: &[(&[&str], &[&str])] = &[
    (&["port"], &["nothing listens on port 10250"]),
    (&["cpu"], &["16 cores, 64{n} MB of memory, 3{n} GB free"]),
    (&["privileges"], &["{m}: root, cgroup2fs, machine-id {h}{h}"]),
    (&["get ahead"], &["the control plane is not behind"]),
    (&["answers", "api server of"], &["ok"]),
    (&["to be had"], &["kubeadm and kubelet are to be had"]),
    (&["has the version"], &["node {m} has it"]),
    (&["restart"], &["systemd[1]: Reloading.", "active"]),
    (
        &["install kube"],
        &[
            "kubeadm was already set on hold.",
            "Get:1 https://pkgs.k8s.io/core:/stable: InRelease [1{n}0 B]",
            "Fetched 1{n} MB in 2s (6 MB/s)",
            "Preparing to unpack .../kube_{h}.deb ...",
            "Unpacking ...",
            "Setting up ...",
            "kubeadm set on hold.",
            "kubelet set on hold.",
        ],
    ),
    (
        &["control plane of"],
        &[
            "[upgrade] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...",
            "[upgrade/preflight] Running preflight checks",
            "[upgrade/preflight] Pulling images required for setting up a Kubernetes cluster",
            "[upgrade/control-plane] Upgrading your static Pod-hosted control plane",
            "[upgrade/staticpods] Preparing for \"etcd\" upgrade",
            "[upgrade/staticpods] Current and new manifests of etcd are equal, skipping upgrade",
            "[upgrade/staticpods] Preparing for \"kube-apiserver\" upgrade",
            "[upgrade/staticpods] Moving new manifest to \"/etc/kubernetes/manifests/kube-apiserver.yaml\"",
            "[upgrade/staticpods] Component \"kube-apiserver\" upgraded successfully!",
            "[upgrade/staticpods] Component \"kube-controller-manager\" upgraded successfully!",
            "[upgrade/staticpods] Component \"kube-scheduler\" upgraded successfully!",
            "[upgrade/control-plane] The control plane instance for this node was successfully upgraded!",
        ],
    ),
    (
        &["configuration of kubelet"],
        &[
            "[upgrade] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...",
            "[upgrade/preflight] Running pre-flight checks",
            "[upgrade/control-plane] Skipping phase. Not a control plane node.",
            "[upgrade/kubelet-config] The kubelet configuration for this node was successfully upgraded!",
        ],
    ),
    (&["healthy"], &["active", "ok"]),
    (&["containers run"], &["active", "kube-proxy-{h}", "calico-node-{h}"]),
    (
        &["apt", "package"],
        &[
            "Hit:1 http://mirror.example.net/debian bookworm InRelease",
            "Get:2 http://mirror.example.net/debian-security bookworm-security InRelease [48.0 kB]",
            "Fetched 3{n} kB in 1s (412 kB/s)",
            "Reading package lists...",
            "Building dependency tree...",
            "The following NEW packages will be installed: conntrack ebtables ethtool ipset ipvsadm socat",
            "Unpacking conntrack (1:1.4.7-1+b2) ...",
            "Unpacking ipvsadm (1:1.31-1+b1) ...",
            "Setting up socat (1.7.4.4-2) ...",
            "Setting up conntrack (1:1.4.7-1+b2) ...",
            "Processing triggers for man-db (2.11.2-2) ...",
        ],
    ),
    (&["swap"], &["swapoff: /dev/vda3", "fstab: 1 line commented out"]),
    (&["module"], &["overlay", "br_netfilter", "ip_vs", "ip_vs_rr", "nf_conntrack"]),
    (&["sysctl"], &["net.bridge.bridge-nf-call-iptables = 1", "net.ipv4.ip_forward = 1", "vm.overcommit_memory = 1"]),
    (
        &["image", "pull"],
        &[
            "[config/images] Pulled registry.example.net/kube-proxy",
            "registry.example.net/calico/node@sha256:{h}: resolving",
            "layer-sha256:{h}: downloading 14.{n} MiB/61.8 MiB",
            "layer-sha256:{h}: done",
            "registry.example.net/pause:3.10@sha256:{h}: exists",
            "unpacking linux/amd64 sha256:{h}... done: 1.{n}s",
        ],
    ),
    (
        &["download", "fetch", "artifact"],
        &[
            "  % Total    % Received % Xferd  Average Speed   Time",
            " 21 {n}M   21 9.1M    0     0  18.4M      0  0:00:02",
            " 68 {n}M   68 29.3M   0     0  19.9M      0  0:00:01",
            "100 {n}M  100 43.0M   0     0  20.6M      0 --:--:--",
            "sha256sum: {h}: OK",
        ],
    ),
    (
        &["containerd", "runtime", "runc", "cni"],
        &[
            "bin/containerd",
            "bin/containerd-shim-runc-v2",
            "bin/ctr",
            "config.toml: SystemdCgroup = true, sandbox_image = registry.example.net/pause:3.10",
            "containerd github.com/containerd/containerd/v2 v2.1.4 {h}",
            "RuntimeReady: true",
        ],
    ),
    (
        &["join"],
        &[
            "[preflight] Running pre-flight checks",
            "[preflight] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...",
            "[kubelet-start] Writing kubelet configuration to file \"/var/lib/kubelet/config.yaml\"",
            "[kubelet-start] Writing kubelet environment file with flags to file \"/var/lib/kubelet/kubeadm-flags.env\"",
            "[kubelet-start] Starting the kubelet",
            "[kubelet-check] Waiting for a healthy kubelet at http://127.0.0.1:10248/healthz. This can take up to 4m0s",
            "[kubelet-check] The kubelet is healthy after 1.00{n}s",
            "[kubelet-start] Waiting for the kubelet to perform the TLS Bootstrap",
            "This node has joined the cluster:",
            "* Certificate signing request was sent to apiserver and a response was received.",
        ],
    ),
    (
        &["reset"],
        &[
            "[preflight] Running pre-flight checks",
            "[reset] Stopping the kubelet service",
            "[reset] Unmounting mounted directories in \"/var/lib/kubelet\"",
            "[reset] Deleting contents of directories: [/etc/kubernetes/manifests /var/lib/kubelet /etc/kubernetes/pki]",
        ],
    ),
    (
        &["iptables", "ipvs", "cleanup"],
        &["iptables: {n} chains flushed", "removed '/etc/cni/net.d/10-calico.conflist'"],
    ),
    (
        &["kubelet", "kubeadm"],
        &[
            "kubelet: sha256 {h} matches",
            "Created symlink /etc/systemd/system/multi-user.target.wants/kubelet.service.",
            "systemd[1]: Reloading.",
        ],
    ),
    (&["disk", "space"], &["/dev/vda1  9{n}G available on /var/lib"]),
    (&["clock", "time"], &["System clock synchronized: yes", "offset +0.00{n}s from ntp pool"]),
    (&["verify", "ready"], &["healthz check passed", "node/{m} condition met"]),
    (
        &["preflight", "check"],
        &["{m}: cgroup2fs on /sys/fs/cgroup", "kernel 6.1.0-2{n}-amd64 is supported", "ports 6443 10250 are free"],
    ),
];

/// What is printed before a step fails.
const FAILURES: &[(&[&str], &str)] = &[
    (
        &["apt", "package"],
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 19{n} (unattended-upgr)",
    ),
    (&["download", "fetch", "artifact"], "curl: (56) OpenSSL SSL_read: Connection reset by peer, errno 104"),
    (&["image", "pull"], "error: failed to pull image: unexpected status code 503 Service Unavailable"),
    (&["control plane of"], "error execution phase control-plane: timed out waiting for the condition"),
    (&["join"], "error execution phase kubelet-start: timed out waiting for the kubelet to perform the TLS Bootstrap"),
    (&["containerd", "runtime"], "Job for containerd.service failed because a timeout was exceeded."),
    (&["healthy"], "curl: (7) Failed to connect to 127.0.0.1 port 10248: Connection refused"),
    (&["kubelet"], "Failed to restart kubelet.service: Connection timed out"),
    (&["verify", "ready"], "error: timed out waiting for the condition on nodes/{m}"),
];

/// The lines of an attempt in order, each with its line break.
pub fn lines(phase: &str, step: &str, machine: &str, roll: u64, outcome: Outcome) -> Vec<String> {
    let mut dice = Dice::from_roll(roll);
    let texts = match outcome {
        Outcome::Skipped => return Vec::new(),
        _ => find(SCRIPTS, phase, step).copied().unwrap_or(&[] as &[_]),
    };
    let shown = match outcome {
        Outcome::Done => texts.len(),
        _ => texts.len() / 2,
    };
    let last = match outcome {
        Outcome::Failed => {
            Some(find(FAILURES, phase, step).copied().unwrap_or("error: input/output error on /dev/vda1"))
        }
        Outcome::TimedOut => Some("Terminated"),
        _ => None,
    };
    texts[..shown].iter().copied().chain(last).map(|text| fill(text, machine, &mut dice)).collect()
}

fn find<'a, T>(table: &'a [(&[&str], T)], phase: &str, step: &str) -> Option<&'a T> {
    let (phase, step) = (phase.to_lowercase(), step.to_lowercase());
    let by =
        |text: &str| table.iter().find(|(words, _)| words.iter().any(|w| text.contains(w))).map(|(_, value)| value);
    by(&step).or_else(|| by(&phase))
}

fn fill(text: &str, machine: &str, dice: &mut Dice) -> String {
    let number = dice.between(10, 98).to_string();
    let digest = format!("{:016x}", dice.roll());
    let mut line = text.replace("{n}", &number).replace("{h}", &digest).replace("{m}", machine);
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phase: &str, step: &str, outcome: Outcome, expected_last: &str) {
        let lines = lines(phase, step, "m-1", 9, outcome);
        assert_eq!(lines, super::lines(phase, step, "m-1", 9, outcome), "the same again");
        assert!(lines.iter().all(|l| l.ends_with('\n') && !l.starts_with('@') && !l.contains('{')), "{lines:?}");
        assert!(lines.last().is_some_and(|l| l.contains(expected_last)), "{lines:?}");
    }

    #[test]
    fn steps_print_what_their_names_promise() {
        check("BootstrapOS", "install packages", Outcome::Done, "man-db");
        check("Join", "kubeadm join", Outcome::Done, "Certificate signing request");
        check("Join", "kubeadm join", Outcome::Failed, "TLS Bootstrap");
        check("Verify", "node is ready", Outcome::Done, "node/m-1");
        check("Odd", "odd", Outcome::Failed, "input/output error");
        check("Upgrade", "control plane of this host", Outcome::Done, "successfully upgraded");
        check("Kubelet", "restart kubelet", Outcome::Done, "active");
        check("Packages", "install kubeadm", Outcome::Done, "on hold");
        assert!(lines("Join", "kubeadm join", "m", 1, Outcome::Skipped).is_empty());
    }
}
