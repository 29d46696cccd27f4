//! How large the fleet of a demo is: what was typed, what the folder has already, or the defaults.
//!
//! A folder keeps the fleet that it was begun with. Another size that was typed is refused, not passed over: who types
//! `--machines 500` and sees 60 looks for the mistake elsewhere.

use std::path::Path;

use crate::{
    commands::exit::{Ended, Exit},
    embedded::simulation::{MACHINES_PER_CLUSTER, Size},
};

pub const DEFAULT: Size = Size { clusters: 3, machines: 60, seed: 1 };

/// What was typed; `None` is what was left out.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Wanted {
    /// Business clusters [default: 3, or those that the folder has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub clusters: Option<u16>,
    /// Machines in all, about a third of them idle [default: 60, or those that the folder has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=60_000))]
    pub machines: Option<u32>,
    /// The same seed makes the same fleet, the same durations and the same faults [default: 1, or that of the folder].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl Wanted {
    /// The size to start with, where the folder has this one, and otherwise that one would do.
    pub fn settle(self, kept: Option<(Size, &Path)>, default: Size) -> Result<Size, Ended> {
        match kept {
            Some((kept, data)) => self.against(kept, data),
            None => self.fresh(default),
        }
    }

    fn fresh(self, default: Size) -> Result<Size, Ended> {
        let size = self.over(default);
        let least = size.clusters * MACHINES_PER_CLUSTER;
        if size.machines < least {
            let Size { clusters, machines, .. } = size;
            let message =
                format!("{machines} machines are too few for {clusters} clusters: take --machines {least} or more");
            return Err(Ended::new(Exit::BadInput, message));
        }
        Ok(size)
    }

    fn against(self, kept: Size, data: &Path) -> Result<Size, Ended> {
        let wanted = self.over(kept);
        let differs = [
            ("--clusters", wanted.clusters != kept.clusters),
            ("--machines", wanted.machines != kept.machines),
            ("--seed", wanted.seed != kept.seed),
        ];
        let differs: Vec<_> = differs.into_iter().filter(|(_, differs)| *differs).map(|(option, _)| option).collect();
        if differs.is_empty() {
            return Ok(kept);
        }
        let message = format!(
            "the folder {} has a fleet of {} cluster{} and {} machines with seed {}, and keeps it: leave {} out to go on \
             with it, or name another folder with --data",
            data.display(),
            kept.clusters,
            if kept.clusters == 1 { "" } else { "s" },
            kept.machines,
            kept.seed,
            differs.join(" and "),
        );
        Err(Ended::new(Exit::BadInput, message))
    }

    /// What was typed; the rest from `size`.
    fn over(self, size: Size) -> Size {
        Size {
            clusters: self.clusters.map_or(size.clusters, usize::from),
            machines: self.machines.map_or(size.machines, |n| n as usize),
            seed: self.seed.unwrap_or(size.seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        wanted: Wanted,
    }

    /// Clusters, machines and seed, or the sentence, without the name of the folder.
    fn check(line: &str, kept: Option<Size>, expected: &str) {
        let wanted = Line::parse_from(std::iter::once("demo").chain(line.split_whitespace())).wanted;
        let size = match kept {
            None => wanted.settle(None, DEFAULT),
            Some(kept) => wanted.settle(Some((kept, Path::new("d"))), DEFAULT),
        };
        let said = match size {
            Ok(size) => format!("{} {} {}", size.clusters, size.machines, size.seed),
            Err(ended) => format!("{}: {}", ended.exit as u8, ended.message),
        };
        assert!(said.starts_with(expected), "{line}: {said}");
    }

    #[test]
    fn what_was_left_out_is_the_default_or_that_of_the_folder() {
        let kept = Some(Size { clusters: 2, machines: 40, seed: 7 });
        check("", None, "3 60 1");
        check("--seed 9", None, "3 60 9");
        check("", kept, "2 40 7");
        check("--clusters 2 --machines 40 --seed 7", kept, "2 40 7");
    }

    #[test]
    fn another_size_than_that_of_the_folder_is_refused() {
        let kept = Some(Size { clusters: 2, machines: 40, seed: 7 });
        let has = "2: the folder d has a fleet of 2 clusters and 40 machines with seed 7, and keeps it: leave";
        check("--clusters 3", kept, &format!("{has} --clusters out to go on"));
        check("--seed 1 --machines 60 --clusters 2", kept, &format!("{has} --machines and --seed out to go on"));
    }

    #[test]
    fn too_few_machines_are_refused_with_the_number_that_would_do() {
        check("--clusters 500", None, "2: 60 machines are too few for 500 clusters: take --machines ");
    }
}
