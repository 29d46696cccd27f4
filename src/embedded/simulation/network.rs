//! How connections reach simulated hosts: one listener for the whole of 127.0.0.0/8, where the system allows one that is
//! bound to the loopback device; otherwise one listener for each host, on 127.0.0.1 and a port of its own.
//!
//! The address that a connection was made *to* says which host is meant. Nothing outside this machine can reach them.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{hosts::Hosts, session};

/// Sockets that hosts are reached through.
pub enum Network {
    /// All hosts on their own addresses and one port.
    Shared { listener: TcpListener, port: u16 },
    /// Each host on 127.0.0.1 and its own port.
    Each(Vec<(String, TcpListener)>),
}

/// Where SSH reaches a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub address: Ipv4Addr,
    pub port: u16,
}

impl Network {
    /// Opens the sockets; `port` is the one that was used last time, and is kept if it is free.
    pub async fn open(machines: &[(String, Ipv4Addr)], port: Option<u16>) -> io::Result<Self> {
        if let Ok(listener) = shared(port.unwrap_or(0)).or_else(|_| shared(0)) {
            let port = listener.local_addr()?.port();
            return Ok(Self::Shared { listener, port });
        }
        let mut each = Vec::with_capacity(machines.len());
        for (name, _) in machines {
            each.push((name.clone(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?));
        }
        Ok(Self::Each(each))
    }

    /// Where each host is.
    pub fn places(&self, machines: &[(String, Ipv4Addr)]) -> io::Result<HashMap<String, Place>> {
        match self {
            Self::Shared { port, .. } => Ok(machines
                .iter()
                .map(|(name, address)| (name.clone(), Place { address: *address, port: *port }))
                .collect()),
            Self::Each(each) => {
                let place = |(name, listener): &(String, TcpListener)| {
                    Ok((name.clone(), Place { address: Ipv4Addr::LOCALHOST, port: listener.local_addr()?.port() }))
                };
                each.iter().map(place).collect()
            }
        }
    }

    /// Answers connections until the hosts are cancelled.
    pub fn serve(self, hosts: &Arc<Hosts>) {
        match self {
            Self::Shared { listener, .. } => {
                let (tasks, all) = (hosts.tasks.clone(), hosts.clone());
                tasks.spawn(async move {
                    let cancel = all.cancel.clone();
                    cancel.run_until_cancelled(accept_for_all(listener, all)).await;
                });
            }
            Self::Each(each) => {
                for (name, listener) in each {
                    let all = hosts.clone();
                    hosts.tasks.spawn(async move {
                        let cancel = all.cancel.clone();
                        cancel.run_until_cancelled(accept_for_one(listener, name, all)).await;
                    });
                }
            }
        }
    }
}

/// A listener on every address of the loopback device, and on no other device.
fn shared(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    bind_to_loopback(&socket)?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(1024)
}

#[cfg(target_os = "linux")]
fn bind_to_loopback(socket: &TcpSocket) -> io::Result<()> {
    socket.bind_device(Some(b"lo"))
}

#[cfg(not(target_os = "linux"))]
fn bind_to_loopback(_: &TcpSocket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

async fn accept_for_all(listener: TcpListener, hosts: Arc<Hosts>) {
    loop {
        let Some(stream) = accept(&listener).await else { continue };
        let Ok(IpAddr::V4(address)) = stream.local_addr().map(|a| a.ip()) else { continue };
        if let Some(host) = hosts.at(address) {
            session::serve(&hosts, host, stream);
        }
    }
}

async fn accept_for_one(listener: TcpListener, name: String, hosts: Arc<Hosts>) {
    let Some(host) = hosts.all().iter().find(|h| h.name == name).cloned() else { return };
    loop {
        if let Some(stream) = accept(&listener).await {
            session::serve(&hosts, host.clone(), stream);
        }
    }
}

/// The next connection from this machine.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, peer)) if peer.ip().is_loopback() => {
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "a connection to a simulated host was not accepted");
            // Out of file descriptors, most likely: others have to be closed first.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            None
        }
    }
}
