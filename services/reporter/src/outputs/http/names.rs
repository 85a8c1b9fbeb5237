//! Addresses of the intake by its name: from `/etc/hosts`, otherwise from the name servers of `/etc/resolv.conf`.
//!
//! Not by the C library: what it asks with is shared libraries, which a program without any cannot load, and a confined one
//! had to be let make memory executable for. Both files are read each time, so that what DHCP or a VPN wrote holds from
//! then on: connections last, so names are seldom asked for, and an answer need not be kept either.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use reqwest::dns::{Addrs, Resolve, Resolving};

const HOSTS: &str = "/etc/hosts";
const NAME_SERVERS: &str = "/etc/resolv.conf";

/// Asks as its page says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        Box::pin(async move {
            let hosts = read(HOSTS).await?;
            let found = match in_hosts(&hosts, name.as_str()) {
                found if !found.is_empty() => found,
                _ => {
                    let (config, options) = servers(&read(NAME_SERVERS).await?);
                    ask(config, options, name.as_str()).await?
                }
            };
            let found: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(found)
        })
    }
}

/// What is not there says nothing.
async fn read(path: &str) -> io::Result<Vec<u8>> {
    match tokio::fs::read(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// The addresses that the file has for a name.
fn in_hosts(file: &[u8], name: &str) -> Vec<IpAddr> {
    let mut hosts = Hosts::default();
    let Ok(name) = name.parse::<Name>() else { return Vec::new() };
    if let Err(error) = hosts.read_hosts_conf(file) {
        tracing::debug!(%error, "{HOSTS} is read up to a line that is none");
    }
    let of = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)).map(LookupIp::from);
    let found = [RecordType::AAAA, RecordType::A].into_iter().filter_map(of);
    found.flat_map(|found| found.iter().collect::<Vec<_>>()).collect()
}

/// The name servers of the file; as for the C library, the one of this machine when there is none.
fn servers(file: &[u8]) -> (ResolverConfig, ResolverOpts) {
    let (config, mut options) = system_conf::parse_resolv_conf(file).unwrap_or_else(|_none| {
        let own = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        (ResolverConfig::from_parts(None, Vec::new(), vec![own]), ResolverOpts::default())
    });
    options.use_hosts_file = ResolveHosts::Never;
    (config, options)
}

async fn ask(config: ResolverConfig, options: ResolverOpts, name: &str) -> Result<Vec<IpAddr>, NetError> {
    let provider = TokioRuntimeProvider::default();
    let resolver = TokioResolver::builder_with_config(config, provider).with_options(options).build()?;
    Ok(resolver.lookup_ip(name).await?.iter().collect())
}

#[cfg(test)]
mod tests;
