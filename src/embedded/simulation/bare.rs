//! Simulated hosts without clusters, in memory only: for whoever needs many SSH servers that act out steps.

use std::{collections::BTreeMap, io, net::Ipv4Addr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::hosts::{Hosts, HostsOptions};
use super::journal::Journal;
use super::keys::Keyring;
use super::network::Network;
use super::timing::Pace;

/// Hosts that live until this is dropped.
pub struct BareHosts {
    /// Name, address and port of each.
    pub places: Vec<(String, Ipv4Addr, u16)>,
    /// Lines of `known_hosts`.
    pub known_hosts: String,
    /// The private key that they accept, as an OpenSSH file.
    pub private_key: String,
    hosts: Arc<Hosts>,
}

impl BareHosts {
    /// Starts up to 60,000 hosts on addresses of 127.77.0.0/16.
    pub async fn start(count: usize, pace: Pace) -> io::Result<Self> {
        let address = |i: usize| Ipv4Addr::new(127, 77, (i / 250) as u8, (i % 250 + 1) as u8);
        let machines: Vec<_> = (0..count).map(|i| (format!("m-{i:04}"), address(i))).collect();
        let keyring = Keyring::new([7; 32]);
        let network = Network::open(&machines, None).await?;
        let by_name = network.places(&machines)?;
        let places: Vec<_> =
            machines.iter().map(|(name, _)| (name.clone(), by_name[name].address, by_name[name].port)).collect();
        let known_hosts =
            places.iter().map(|(name, at, port)| keyring.known_host(name, &at.to_string(), *port)).collect();
        let private_key = keyring.client_file();
        let hosts = Hosts::start(HostsOptions {
            machines,
            keyring,
            pace,
            journal: Journal::default(),
            memories: BTreeMap::new(),
            on_end: Arc::new(|_, _| Box::pin(async {})),
            cancel: CancellationToken::new(),
        });
        network.serve(&hosts);
        Ok(Self { places, known_hosts, private_key, hosts })
    }
}

impl Drop for BareHosts {
    fn drop(&mut self) {
        self.hosts.cancel.cancel();
    }
}
