//! The machines of `tests/lab`, for tests: made once, used by one test after the other, gone at the end.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarterdeck::{
    api::{HostKeyPolicy, JumpHost, Role},
    runbook::{
        builtin,
        job::{InventoryMachine, JobInput, PRIVATE_KEY, SshAccess},
    },
};
use tempfile::TempDir;

use crate::program::{Ended, Executor, PROGRAM, write_job};

/// Bounds every run of the program.
const PATIENCE: Duration = Duration::from_mins(5);
/// The bastion, and as many machines as the suite is for.
const MACHINES: usize = 6;
/// What is carried out: all that needs neither a cluster nor the network.
pub const PHASES: [&str; 3] = ["Preflight", "BootstrapOS", "ContainerRuntime"];

/// The lab; one test at a time has it.
pub struct Lab {
    folder: PathBuf,
    job: TempDir,
    keep: bool,
    _alone: MutexGuard<'static, ()>,
}

/// Returns from the test, with a note, unless the lab was asked for: it needs root, and minutes.
#[macro_export]
macro_rules! needs_lab {
    ($test:expr) => {
        match $crate::machines::Lab::up($test) {
            Some(lab) => lab,
            None => return,
        }
    };
}

impl Lab {
    /// All machines are up and whole, whatever the test before did to them.
    pub fn up(test: &str) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        if env::var_os("QUARTERDECK_TEST_LAB").is_none_or(|wanted| wanted != "1") {
            // In one piece: other tests write as well.
            let note = format!("left out: {test} (needs the lab: tests/run --lab)\n");
            io::stderr().write_all(note.as_bytes()).expect("standard error is there");
            return None;
        }
        // A test that failed has had it; the next one makes it whole.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder =
            env::var_os("QUARTERDECK_LAB").map_or_else(|| "/var/tmp/quarterdeck-lab-tests".into(), PathBuf::from);
        let keep = env::var_os("QUARTERDECK_LAB_KEEP").is_some();
        let job = tempfile::Builder::new().prefix("quarterdeck-lab-").tempdir().expect("a temporary folder");
        let lab = Self { folder, job, keep, _alone: alone };
        lab.run("up", &[&MACHINES.to_string()]);
        Some(lab)
    }

    /// A command of the lab, to be started.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name));
        command.env("QUARTERDECK_LAB", &self.folder).stdin(Stdio::null());
        command
    }

    /// Runs a command of the lab, which has to succeed, and returns what it said.
    pub fn run(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().expect("a command of the lab");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tests/lab/{name} {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What a shell on a machine says, as root.
    pub fn on(&self, machine: &str, script: &str) -> String {
        self.run("ssh", &[machine, &format!("sudo sh -c '{}'", script.replace('\'', r"'\''"))])
    }

    /// These machines as after an installation.
    pub fn reinstall(&self, machines: &[&str]) {
        let mut arguments: Vec<&str> = machines.iter().flat_map(|machine| ["--fresh", machine]).collect();
        let all = MACHINES.to_string();
        arguments.push(&all);
        self.run("up", &arguments);
    }

    /// Makes workers of these machines, as far as it goes without a cluster: the runbook that is shipped, through the
    /// bastion, as an operator who may use sudo.
    pub fn job(&self, operation: &str, machines: &[&str]) -> JobInput {
        let table = fs::read_to_string(self.folder.join("machines")).expect("a file");
        let address = |name: &str| {
            let line = table.lines().find(|line| line.split(' ').next() == Some(name)).expect("a machine");
            line.split(' ').skip(1).find(|address| *address != "-").expect("an address").to_owned()
        };
        JobInput {
            namespace: "default".into(),
            operation: operation.into(),
            run: 1,
            fence: 1,
            cluster: "alpha".into(),
            runbook: builtin("node-join").expect("it is compiled in").into(),
            phases: PHASES.map(str::to_owned).into(),
            parallelism: 20,
            variables: BTreeMap::new(),
            machines: machines.iter().map(|name| machine(name, address(name))).collect(),
            ssh: SshAccess {
                user: "ops".into(),
                sudo: true,
                host_key_policy: HostKeyPolicy::Strict,
                known_hosts: fs::read_to_string(self.folder.join("known_hosts")).expect("a file"),
                jump_hosts: vec![JumpHost { address: address_of_bastion(&table), ..JumpHost::default() }],
                keepalive_seconds: 1,
                max_handshakes: 8,
                state_directory: "/var/lib/quarterdeck".into(),
            },
        }
    }

    /// Starts the program in the lab's network.
    pub fn start(&self, input: &JobInput) -> Executor {
        self.start_at(input, 0)
    }

    /// Starts it with a clock that is off by so many seconds.
    pub fn start_at(&self, input: &JobInput, offset_seconds: i64) -> Executor {
        // One folder each: several may run at once.
        let folder = tempfile::tempdir_in(self.job.path()).expect("a folder").keep();
        let key = fs::read_to_string(self.folder.join("key")).expect("a file");
        write_job(&folder, input, &BTreeMap::from([(PRIVATE_KEY, key)]));
        let mut command = self.command("in");
        if offset_seconds != 0 {
            command.args(["--clock", &offset_seconds.to_string()]);
        }
        command.arg(PROGRAM);
        Executor::start(command, &folder, 60, PATIENCE)
    }

    /// Runs it to its end.
    pub fn carry_out(&self, input: &JobInput) -> Ended {
        self.start(input).finish()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.keep {
            self.command("down").status().ok();
        }
    }
}

fn machine(name: &str, address: String) -> InventoryMachine {
    InventoryMachine {
        name: name.into(),
        uid: format!("00000000-0000-4000-8000-{:0>12}", name.trim_start_matches('m')),
        address,
        port: 22,
        user: None,
        role: Role::Worker,
        labels: BTreeMap::new(),
        variables: BTreeMap::new(),
        host_key: None,
    }
}

/// Where operators reach the bastion: the last of its addresses.
fn address_of_bastion(table: &str) -> String {
    let line = table.lines().find(|line| line.starts_with("bastion ")).expect("there is a bastion");
    line.rsplit(' ').next().expect("an address").to_owned()
}
