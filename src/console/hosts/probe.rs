//! What one look at a host says: a script that asks for all of it at once, and how its answer is read.

use crate::{api::look::STATE_LINE, console::text, fleet::Health};

/// The answer of a host is a few lines; more than this is something else.
pub const MOST_BYTES: usize = 16 * 1024;

/// Root file systems this full, in percent, want attention, and are a problem.
const DISK_WARNING: u8 = 85;
const DISK_BAD: u8 = 95;
/// A clock that is off by this much breaks tokens and certificates that are young; etcd complains at one second.
const CLOCK_WARNING_MILLISECONDS: i64 = 500;
const CLOCK_BAD_MILLISECONDS: i64 = 5_000;
/// A clock that is farther off is simply wrong: a century.
const FARTHEST_MILLISECONDS: i64 = 100 * 365 * 86_400_000;
/// No host has more to do than this.
const MOST_LOAD: f64 = 1e6;
/// Runnable processes for each core, on average.
const LOAD_WARNING: f64 = 4.0;

/// For any POSIX shell, as any user. What a host does not have it leaves out; the last line says that nothing was lost.
const SCRIPT: &str = r#"echo "clock=$(date +%s.%N)"
read -r up rest </proc/uptime && echo "uptime=$up"
read -r one five fifteen rest </proc/loadavg && echo "load=$one $five $fifteen"
echo "cpus=$(grep -c '^processor' /proc/cpuinfo)"
set -- $(LC_ALL=C df -P / | tail -n 1) && echo "disk=$5"
for unit in kubelet containerd etcd; do
  echo "unit=$unit" $(systemctl show -p LoadState -p ActiveState "$unit")
done
cat /proc/[0-9]*/comm | grep -qx etcd && echo "process=etcd"
echo "end=here"
"#;

/// The script, as it is sent on standard input of `sh -s`.
pub fn script() -> String {
    format!("{STATE_LINE}exec 2>/dev/null\n{SCRIPT}")
}

/// What a host says of itself; `None` is what it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Milliseconds since 1970.
    pub clock: Option<i64>,
    pub uptime_seconds: Option<i64>,
    /// Over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    pub cpus: Option<u32>,
    /// Used, of the root file system.
    pub disk_percent: Option<u8>,
    pub kubelet: Unit,
    pub containerd: Unit,
    pub etcd: Unit,
}

/// How a unit of systemd stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Nobody could say.
    #[default]
    Unknown,
    /// There is none of that name.
    Absent,
    Active,
    /// There is no unit, but a process: etcd in a static pod.
    Process,
    /// It starts, stops or reloads.
    Changing,
    Inactive,
    Failed,
}

impl Unit {
    /// At most six letters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "?",
            Self::Absent => "–",
            Self::Active => "up",
            Self::Process => "pod",
            Self::Changing => "starts",
            Self::Inactive => "off",
            Self::Failed => "failed",
        }
    }

    fn of(words: &str) -> Self {
        let value = |key: &str| words.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        match (value("LoadState"), value("ActiveState")) {
            (Some("not-found"), _) => Self::Absent,
            (_, Some("active")) => Self::Active,
            (_, Some("activating" | "deactivating" | "reloading")) => Self::Changing,
            (_, Some("inactive")) => Self::Inactive,
            (_, Some("failed")) => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// Reads the answer; a sentence if it is not one.
pub fn read(answer: &str) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut whole = false;
    for (key, value) in answer.lines().filter_map(|line| line.trim_end().split_once('=')) {
        match key {
            "clock" => seen.clock = clock(value),
            "uptime" => seen.uptime_seconds = value.split('.').next().and_then(|s| s.parse().ok()),
            "load" => seen.load = load(value),
            "cpus" => seen.cpus = value.parse().ok().filter(|n| *n > 0),
            "disk" => seen.disk_percent = value.strip_suffix('%').and_then(|n| n.parse().ok()),
            "unit" => unit(&mut seen, value),
            "process" if value == "etcd" && matches!(seen.etcd, Unit::Absent | Unit::Unknown) => {
                seen.etcd = Unit::Process;
            }
            "end" => whole = true,
            _ => {}
        }
    }
    if whole {
        return Ok(seen);
    }
    let said = answer.lines().map(str::trim).find(|line| !line.is_empty());
    Err(match said {
        Some(line) => {
            let shown: String = line.chars().take(120).collect();
            format!("it does not answer as a shell would: {}", text::clean(&shown))
        }
        None => "it let us in and said nothing: is the login shell of this user one that runs commands?".to_owned(),
    })
}

fn unit(seen: &mut Seen, value: &str) {
    let (name, words) = value.split_once(' ').unwrap_or((value, ""));
    let state = Unit::of(words);
    match name {
        "kubelet" => seen.kubelet = state,
        "containerd" => seen.containerd = state,
        "etcd" => seen.etcd = state,
        _ => {}
    }
}

/// `SECONDS.NANOSECONDS`, the latter only where `date` knows them.
fn clock(value: &str) -> Option<i64> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let milliseconds = fraction.get(..3).and_then(|three| three.parse::<i64>().ok()).unwrap_or(0);
    seconds.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(milliseconds)
}

fn load(value: &str) -> Option<[f64; 3]> {
    let mut numbers = value.split_whitespace().map(|n| n.parse::<f64>().ok().filter(|n| (0.0..MOST_LOAD).contains(n)));
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// What a host said, and what the line to it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub seen: Seen,
    /// From the question to the first word of the answer.
    pub round_trip_milliseconds: i64,
    /// Its clock against ours; ahead is positive. As good as half a round trip.
    pub offset_milliseconds: Option<i64>,
}

/// Something about a host that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worry {
    pub health: Health,
    pub text: String,
}

impl Reading {
    /// Puts the host's clock beside ours as it was in the middle of the round trip, in milliseconds since 1970.
    pub fn new(seen: Seen, asked_at: i64, round_trip_milliseconds: i64) -> Self {
        let offset = seen.clock.map(|clock| {
            let ours = asked_at.saturating_add(round_trip_milliseconds / 2);
            clock.saturating_sub(ours).clamp(-FARTHEST_MILLISECONDS, FARTHEST_MILLISECONDS)
        });
        Self { seen, round_trip_milliseconds, offset_milliseconds: offset }
    }

    /// Its clock and ours are the same, as far as a look can tell.
    pub fn clock_agrees(&self) -> bool {
        let off = self.offset_milliseconds.map_or(0, i64::abs);
        off < CLOCK_WARNING_MILLISECONDS || off <= self.round_trip_milliseconds
    }

    /// What is wrong with it, the worst first. A host that `serves` is to be a node.
    pub fn worries(&self, serves: bool) -> Vec<Worry> {
        let mut worries = Vec::new();
        let mut worry = |health, text: String| worries.push(Worry { health, text });
        let seen = &self.seen;
        for (name, state) in [("kubelet", seen.kubelet), ("containerd", seen.containerd), ("etcd", seen.etcd)] {
            match state {
                Unit::Failed => worry(Health::Bad, format!("{name} has failed")),
                Unit::Inactive | Unit::Absent if serves && name != "etcd" => {
                    worry(Health::Bad, format!("{name} does not run"));
                }
                Unit::Changing => {
                    worry(Health::Warning, format!("{name} is starting, and perhaps not for the first time"))
                }
                _ => {}
            }
        }
        match seen.disk_percent {
            Some(used) if used >= DISK_BAD => worry(Health::Bad, format!("the root disk is full to {used}%")),
            Some(used) if used >= DISK_WARNING => worry(Health::Warning, format!("the root disk is full to {used}%")),
            _ => {}
        }
        if let Some(off) = self.offset_milliseconds.filter(|_| !self.clock_agrees()) {
            let bad = off.abs() >= CLOCK_BAD_MILLISECONDS;
            let way = if off > 0 { "ahead" } else { "behind" };
            let text = format!("its clock is {}.{}s {way}", off.abs() / 1000, off.abs() % 1000 / 100);
            worry(if bad { Health::Bad } else { Health::Warning }, text);
        }
        if let (Some([one, ..]), Some(cpus)) = (seen.load, seen.cpus)
            && one > LOAD_WARNING * f64::from(cpus)
        {
            worry(Health::Warning, format!("load {one:.0} on {cpus} cores"));
        }
        worries.sort_by_key(|worry| worry.health);
        worries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "clock=1795262400.250000000\nuptime=3552420.11\nload=0.08 0.05 0.01\ncpus=16\ndisk=47%\n\
        unit=kubelet LoadState=loaded ActiveState=active\nunit=containerd LoadState=loaded ActiveState=active\n\
        unit=etcd LoadState=not-found ActiveState=inactive\nend=here\n";

    /// Changes lines of a whole answer, and says what is made of it in a few words.
    fn check(changes: &[(&str, &str)], serves: bool, expected: &str) {
        let text = changes.iter().fold(WHOLE.to_owned(), |text, (from, to)| text.replace(from, to));
        let said = match read(&text) {
            Err(sentence) => sentence,
            Ok(seen) => {
                let reading = Reading::new(seen, 1_795_262_400_000, 20);
                let worries: Vec<String> =
                    reading.worries(serves).iter().map(|w| format!("{:?} {}", w.health, w.text)).collect();
                worries.join("; ")
            }
        };
        assert_eq!(said, expected, "{changes:?}");
    }

    #[test]
    fn a_whole_answer_is_read() {
        let seen = read(WHOLE).expect("it is whole");
        assert_eq!(seen.clock, Some(1_795_262_400_250));
        assert_eq!(seen.uptime_seconds, Some(3_552_420));
        assert_eq!(seen.load, Some([0.08, 0.05, 0.01]));
        assert_eq!((seen.cpus, seen.disk_percent), (Some(16), Some(47)));
        assert_eq!((seen.kubelet, seen.containerd, seen.etcd), (Unit::Active, Unit::Active, Unit::Absent));
        assert_eq!(Reading::new(seen, 1_795_262_400_000, 20).offset_milliseconds, Some(240));
    }

    #[test]
    fn what_a_host_does_not_say_is_left_out() {
        let seen = read("clock=1795262400.N\nload=a b c\ndisk=\nunit=kubelet\nnoise\nend=here").expect("it is whole");
        assert_eq!(seen, Seen { clock: Some(1_795_262_400_000), ..Seen::default() });
        let seen = read(&WHOLE.replace("end=", "process=etcd\nend=")).expect("it is whole");
        assert_eq!(seen.etcd, Unit::Process);
    }

    #[test]
    fn worries() {
        check(&[], true, "");
        check(
            &[("kubelet LoadState=loaded ActiveState=active", "kubelet LoadState=loaded ActiveState=failed")],
            true,
            "Bad kubelet has failed",
        );
        let off = ("kubelet LoadState=loaded ActiveState=active", "kubelet LoadState=loaded ActiveState=inactive");
        check(&[off], true, "Bad kubelet does not run");
        check(&[off], false, "");
        check(&[("disk=47%", "disk=86%")], true, "Warning the root disk is full to 86%");
        check(&[("disk=47%", "disk=99%")], false, "Bad the root disk is full to 99%");
        check(&[("clock=1795262400.25", "clock=1795262403.25")], true, "Warning its clock is 3.2s ahead");
        check(&[("clock=1795262400.25", "clock=1795262300.25")], true, "Bad its clock is 99.7s behind");
        check(
            &[("load=0.08", "load=99.5"), ("disk=47%", "disk=99%")],
            true,
            "Bad the root disk is full to 99%; Warning load 100 on 16 cores",
        );
    }

    #[test]
    fn what_is_no_answer_is_said() {
        check(&[("end=here\n", "")], true, "it does not answer as a shell would: clock=1795262400.250000000");
        assert!(read("\n\n").is_err_and(|said| said.starts_with("it let us in and said nothing")));
        assert!(read("This account is not available.\n").is_err_and(|said| said.ends_with("not available.")));
    }
}
