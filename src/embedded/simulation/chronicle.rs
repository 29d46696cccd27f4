//! The journals of a simulated host: what kubelet, containerd and etcd would have written, from the steps that ran there, from
//! what is wrong with it, and from the clock. Made anew for each reader, and the same for all of them.

use super::{
    dice::Dice,
    host::Attempt,
    hosts::Host,
    vitals::{Unit, Vitals},
};
use crate::runbook::wire::Outcome;
use jiff::Timestamp;

/// A unit that is well writes something now and then; one that cannot stay up writes more often.
const CALM: u64 = 47_000;
const RESTARTS: u64 = 11_000;
/// Of the past that nobody did anything in, so much is told.
const PAST: u64 = 20 * 60_000;

/// What is written while nothing is wrong; `{n}` is a small number, `{h}` a digest, `{m}` the machine.
const QUIET: [(&str, &[&str]); 3] = [
    (
        "kubelet",
        &[
            "I{k} 812 kubelet_getters.go:187] \"Pod status updated\" pod=\"kube-system/kube-proxy-{h}\" status=\"Running\"",
            "I{k} 812 reconciler_common.go:299] \"Volume detached for volume \\\"kube-api-access-{h}\\\"\" node=\"{m}\"",
            "I{k} 812 image_gc_manager.go:312] \"Image garbage collection\" usage={n} highThreshold=85",
            "I{k} 812 pod_startup_latency_tracker.go:104] \"Observed pod startup duration\" podStartSLOduration=1.{n}",
        ],
    ),
    (
        "containerd",
        &[
            "time=\"{t}\" level=info msg=\"RemoveContainer for \\\"{h}\\\" returns successfully\"",
            "time=\"{t}\" level=info msg=\"StopPodSandbox for \\\"{h}\\\" returns successfully\"",
            "time=\"{t}\" level=info msg=\"ImageUpdate event name:\\\"registry.example.net/pause:3.10\\\"\"",
        ],
    ),
    (
        "etcd",
        &[
            r#"{"level":"info","ts":"{t}","caller":"mvcc/kvstore_compaction.go:68","msg":"finished scheduled compaction","took":"{n}ms"}"#,
            r#"{"level":"info","ts":"{t}","caller":"etcdserver/server.go:1436","msg":"triggering snapshot","local-member-applied-index":{n}00412}"#,
        ],
    ),
];

/// What a kubelet writes that does not stay up.
const RESTARTING: &[&str] = &[
    "E{k} 812 run.go:72] \"command failed\" err=\"failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: no such file or directory\"",
    "systemd: kubelet.service: Main process exited, code=exited, status=1/FAILURE",
    "systemd: kubelet.service: Failed with result 'exit-code'.",
    "systemd: kubelet.service: Scheduled restart job, restart counter is at {c}.",
];

/// Words in the name of a step or phase, the unit, what it writes as such a step runs, and what as one fails.
type Scene = (&'static [&'static str], &'static str, &'static [&'static str], &'static [&'static str]);

/// The first that fits counts, for each unit.
const STEPS: &[Scene] = &[
    (
        &["kubeadm join", "join"],
        "kubelet",
        &[
            "I{k} 812 server.go:211] \"Kubelet version\" kubeletVersion=\"v1.34.2\"",
            "I{k} 812 bootstrap.go:101] \"Use of bootstrap kubeconfig\" path=\"/etc/kubernetes/bootstrap-kubelet.conf\"",
            "E{k} 812 kubelet.go:3117] \"Container runtime network not ready\" networkReady=\"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized\"",
        ],
        &[
            "E{k} 812 bootstrap.go:265] part of the existing bootstrap client certificate is expired",
            "E{k} 812 certificate_manager.go:596] \"Failed while requesting a signed certificate from the control plane\" err=\"Post \\\"https://10.0.0.10:6443/apis/certificates.k8s.io/v1/certificatesigningrequests\\\": dial tcp 10.0.0.10:6443: i/o timeout\"",
        ],
    ),
    (
        &["containers run", "healthy", "verify"],
        "kubelet",
        &["I{k} 812 kubelet_node_status.go:75] \"Attempting to register node\" node=\"{m}\""],
        &[
            "E{k} 812 kubelet.go:3117] \"Container runtime network not ready\" networkReady=\"NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized\"",
            "E{k} 812 pod_workers.go:1324] \"Error syncing pod, skipping\" err=\"failed to start container calico-node: CrashLoopBackOff\" pod=\"kube-system/calico-node-{h}\"",
        ],
    ),
    (
        &["containers run", "verify"],
        "containerd",
        &[
            "time=\"{t}\" level=info msg=\"RunPodSandbox for &PodSandboxMetadata{Name:calico-node-{h},} returns sandbox id \\\"{h}\\\"\"",
        ],
        &[
            "time=\"{t}\" level=error msg=\"failed to load cni during init, please check CRI plugin status before setting up network for pods\" error=\"cni config load failed: no network config found in /etc/cni/net.d\"",
        ],
    ),
    (
        &["image", "pull"],
        "containerd",
        &["time=\"{t}\" level=info msg=\"PullImage \\\"registry.example.net/kube-proxy:v1.34.2\\\"\""],
        &[
            "time=\"{t}\" level=error msg=\"PullImage \\\"registry.example.net/kube-proxy:v1.34.2\\\" failed\" error=\"rpc error: code = DeadlineExceeded desc = failed to pull and unpack image: dial tcp 10.0.0.53:443: i/o timeout\"",
        ],
    ),
    (
        &["containerd", "containerruntime"],
        "containerd",
        &[
            "time=\"{t}\" level=info msg=\"starting containerd\" revision={h} version=v2.1.4",
            "time=\"{t}\" level=info msg=\"containerd successfully booted in 0.{n}s\"",
        ],
        &[
            "time=\"{t}\" level=error msg=\"failed to load plugin\" error=\"invalid plugin config: unable to decode /etc/containerd/config.toml\" id=io.containerd.cri.v1.runtime",
            "systemd: containerd.service: Failed with result 'exit-code'.",
        ],
    ),
    (
        &["install kubeadm", "packages"],
        "kubelet",
        &[],
        &[
            "systemd: kubelet.service: Current command vanished from the unit file, execution of the command list won't be resumed.",
        ],
    ),
    (
        &["install kubelet"],
        "kubelet",
        &[],
        &["systemd: kubelet.service: Failed to locate executable /usr/bin/kubelet: No such file or directory"],
    ),
    (&["bootstrapos"], "kubelet", &[], &["systemd: kubelet.service: Unit not found."]),
    (&["kubelet"], "kubelet", RESTARTING, RESTARTING),
    (
        &["stop kubelet", "reset"],
        "kubelet",
        &[
            "systemd: Stopping kubelet.service - kubelet: The Kubernetes Node Agent...",
            "systemd: kubelet.service: Deactivated successfully.",
        ],
        &[
            "E{k} 812 kubelet_volumes.go:263] \"There were many similar errors. Turn up verbosity to see them.\" err=\"orphaned pod {h} found, but volume paths are still present on disk\"",
        ],
    ),
];

/// Lines of one unit that are written after one moment and not after the other, in the order of time; both in milliseconds
/// since 1970.
pub fn between(host: &Host, unit: &str, after: u64, until: u64) -> Vec<String> {
    let mut events: Vec<(u64, &str)> = Vec::new();
    for attempt in host.remembers().attempts() {
        of_attempt(attempt, unit, &mut events);
    }
    let vitals = Vitals::of(host, until);
    let lives = match unit {
        "etcd" => vitals.etcd,
        _ => matches!(vitals.unit(unit), Unit::Active | Unit::Activating),
    };
    if lives {
        of_clock(host, unit, after.max(until.saturating_sub(PAST)), until, &vitals, &mut events);
    }
    events.retain(|(at, _)| *at > after && *at <= until);
    events.sort_by_key(|(at, _)| *at);
    events.into_iter().map(|(at, text)| line(host, unit, at, text)).collect()
}

/// The last lines of one unit up to a moment.
pub fn tail(host: &Host, unit: &str, lines: usize, until: u64) -> Vec<String> {
    let mut all = between(host, unit, 0, until);
    all.split_off(all.len().saturating_sub(lines))
}

/// What a step has a unit write: while it runs, and at its end if it failed.
fn of_attempt(attempt: &Attempt, unit: &str, events: &mut Vec<(u64, &'static str)>) {
    let (phase, step) = (attempt.phase.to_lowercase(), attempt.step.to_lowercase());
    let by = |text: &str| {
        STEPS.iter().filter(|(_, of, ..)| *of == unit).find(|(words, ..)| words.iter().any(|w| text.contains(w)))
    };
    let Some((_, _, way, end)) = by(&step).or_else(|| by(&phase)) else { return };
    if attempt.course.outcome == Outcome::Skipped {
        return;
    }
    let pause = attempt.course.milliseconds / (way.len() as u64 + 2);
    let at = |n: usize| attempt.begun_at + pause * (n as u64 + 1);
    events.extend(way.iter().enumerate().map(|(n, text)| (at(n), *text)));
    if attempt.course.status != 0 {
        let first = attempt.ends_at().saturating_sub(end.len() as u64 * 120);
        events.extend(end.iter().enumerate().map(|(n, text)| (first + n as u64 * 120, *text)));
    }
}

/// What is written because time goes by.
fn of_clock(host: &Host, unit: &str, after: u64, until: u64, vitals: &Vitals, events: &mut Vec<(u64, &'static str)>) {
    let restarts = unit == "kubelet" && vitals.kubelet == Unit::Activating;
    let period = if restarts { RESTARTS } else { CALM };
    let quiet = QUIET.iter().find(|(of, _)| *of == unit).map_or(&[][..], |(_, texts)| texts);
    for slot in after / period..=until / period {
        let mut dice = Dice::new(0, &["journal", &host.name, unit, &slot.to_string()]);
        let at = slot * period + dice.between(0, period / 4);
        if restarts {
            events.extend(RESTARTING.iter().enumerate().map(|(n, text)| (at + n as u64 * 90, *text)));
        } else if !quiet.is_empty() {
            let text: &&'static str = dice.pick(quiet);
            events.push((at, *text));
        }
    }
}

/// As `journalctl -o short-unix` prints it; etcd's as a container's log has it.
fn line(host: &Host, unit: &str, at: u64, text: &str) -> String {
    let mut dice = Dice::new(0, &["line", &host.name, unit, &at.to_string()]);
    let moment = Timestamp::from_millisecond(i64::try_from(at).unwrap_or(0)).unwrap_or_default();
    let text = text
        .replace("{k}", &moment.strftime("%m%d %H:%M:%S%.6f").to_string())
        .replace("{t}", &moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .replace("{n}", &dice.between(10, 98).to_string())
        .replace("{c}", &(at / RESTARTS % 1000).to_string())
        .replace("{m}", &host.name);
    let text = text.replace("{h}", &format!("{:010x}", dice.roll() >> 24));
    if unit == "etcd" {
        return format!("{} stderr F {text}\n", moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"));
    }
    let (who, text) = match text.strip_prefix("systemd: ") {
        Some(rest) => ("systemd[1]", rest),
        None if unit == "kubelet" => ("kubelet[812]", text.as_str()),
        None => ("containerd[604]", text.as_str()),
    };
    format!("{}.{:03}000 {} {who}: {text}\n", at / 1000, at % 1000, host.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::simulation::{
        host::{Decision, Memory, tests::header},
        plight::Plight,
        timing::Pace,
        vitals::Born,
    };

    const NOW: u64 = 1_795_262_400_000;

    /// A host on which this step has run, or failed; what a unit has written.
    fn check(born: Born, plight: Plight, step: Option<(&str, &str, bool)>, unit: &str, expected: &[&str]) {
        let mut memory = Memory::default();
        if let Some((phase, name, fails)) = step {
            let pace = Pace { seed: 5, speed: 1.0, fault: 0.0 };
            let Decision::Begin(mut attempt) = memory.decide(&header("m-1", phase, name, 1), &pace, NOW - 600_000)
            else {
                panic!("it begins");
            };
            if fails {
                (attempt.course.outcome, attempt.course.status) = (Outcome::Failed, 1);
            }
            memory.begin(attempt.clone());
            memory.end(&attempt);
        }
        let host = Host::alone("m-1", memory, plight, born);
        let said = tail(&host, unit, 200, NOW);
        assert_eq!(said, tail(&host, unit, 200, NOW), "the same again");
        let times: Vec<&str> = said.iter().filter_map(|line| line.split(' ').next()).collect();
        assert!(times.is_sorted() && said.iter().all(|l| l.ends_with('\n') && !l.contains("{k}")), "{said:?}");
        for part in expected {
            assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:?}");
        }
        assert_eq!(said.is_empty(), expected.is_empty(), "{said:?}");
    }

    #[test]
    fn journals_tell_what_happened() {
        let well = Plight::default();
        check(Born::Bare, well, None, "kubelet", &[]);
        check(Born::Worker, well, None, "kubelet", &["kubelet[812]: I1121"]);
        check(Born::Worker, well, None, "etcd", &[]);
        check(Born::ControlPlane, well, None, "etcd", &["stderr F {\"level\":\"info\""]);
        let dead = Plight { no_kubelet: true, ..well };
        check(
            Born::Worker,
            dead,
            None,
            "kubelet",
            &["systemd[1]: kubelet.service: Failed with result", "restart counter"],
        );
        check(
            Born::Bare,
            well,
            Some(("ContainerRuntime", "install containerd", false)),
            "containerd",
            &["successfully booted"],
        );
        check(Born::Bare, well, Some(("Artifacts", "pull images", true)), "containerd", &["i/o timeout"]);
    }

    #[test]
    fn who_follows_hears_each_line_once() {
        let host = Host::alone("m-1", Memory::default(), Plight::default(), Born::Worker);
        let whole = between(&host, "kubelet", NOW - 600_000, NOW);
        let pieces: Vec<String> = (0..60)
            .flat_map(|n| between(&host, "kubelet", NOW - 600_000 + n * 10_000, NOW - 590_000 + n * 10_000))
            .collect();
        assert_eq!(pieces, whole);
    }
}
