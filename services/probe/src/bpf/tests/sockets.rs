//! Addresses are those of the socket and of its peer, in every family that has one, and whoever calls.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};

use super::names::call_of_i386;
use super::*;

/// What each event of a kind must say: the address with how it is known, the protocol and the result.
type Says = Vec<(String, String, String)>;

fn says(address: impl ToString, protocol: &str, retval: i32) -> (String, String, String) {
    (address.to_string(), protocol.to_owned(), retval.to_string())
}

/// Does it all in the directory, and notes there what must be said.
pub(super) fn work(directory: &Path) {
    let (mut bound, mut connected) = (Says::new(), Says::new());
    ipv6(&mut bound, &mut connected);
    named(directory, &mut bound, &mut connected);
    without_address(&mut bound, &mut connected);
    of_32_bits(&mut bound);
    std::fs::write(directory.join("said"), serde_json::to_string(&(bound, connected)).unwrap()).unwrap();
}

/// A port that the kernel chose, a peer, and a peer to which the connection is being made.
fn ipv6(bound: &mut Says, connected: &mut Says) {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let at = listener.local_addr().unwrap();
    bound.push(says(at, "IP_PROTO_TCP", 0));
    let _stream = TcpStream::connect(at).unwrap();
    connected.push(says(at, "IP_PROTO_TCP", 0));
    let waits_not = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
    // SAFETY: zero is a good value for every field.
    let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    address.sin6_family = 10;
    address.sin6_port = at.port().to_be();
    address.sin6_addr.s6_addr = std::net::Ipv6Addr::LOCALHOST.octets();
    // SAFETY: the address lives through the call and has the size that is said.
    assert_eq!(unsafe { libc::connect(waits_not.as_raw_fd(), (&raw const address).cast(), 28) }, -1);
    assert_eq!(Errno::last(), Errno::EINPROGRESS);
    connected.push(says(at, "IP_PROTO_TCP", -libc::EINPROGRESS));
}

/// By a path, by one that is relative, and a peer as it bound itself, whatever it is called by.
fn named(directory: &Path, bound: &mut Says, connected: &mut Says) {
    let path = directory.join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    bound.push(says(path.display(), "IP_PROTO_IP", 0));
    let _stream = UnixStream::connect(&path).unwrap();
    connected.push(says(path.display(), "IP_PROTO_IP", 0));
    let before = nix::unistd::getcwd().unwrap();
    nix::unistd::chdir(directory).unwrap();
    let _relative = UnixListener::bind("near").unwrap();
    bound.push(says("near", "IP_PROTO_IP", 0));
    nix::unistd::chdir(&before).unwrap();
    let _stream = UnixStream::connect(directory.join("near")).unwrap();
    connected.push(says("near", "IP_PROTO_IP", 0));
    // A name of its own that the kernel chooses, as autobind does for an address without a name.
    let unnamed = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
    bind(unnamed.as_raw_fd(), &UnixAddr::new_unnamed()).unwrap();
    let chosen: UnixAddr = nix::sys::socket::getsockname(unnamed.as_raw_fd()).unwrap();
    let name = String::from_utf8(chosen.as_abstract().unwrap().to_vec()).unwrap();
    bound.push(says(format!("@{name}"), "IP_PROTO_IP", 0));
}

/// A peer that is taken away, and an address that nobody can read.
fn without_address(bound: &mut Says, connected: &mut Says) {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    bound.push(says(udp.local_addr().unwrap(), "IP_PROTO_UDP", 0));
    udp.connect("127.0.0.1:9").unwrap();
    connected.push(says("127.0.0.1:9", "IP_PROTO_UDP", 0));
    let nobody = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    // SAFETY: the address lives through the call and has the size that is said.
    assert_eq!(unsafe { libc::connect(udp.as_raw_fd(), &raw const nobody, 16) }, 0);
    connected.push(says("0.0.0.0:0", "IP_PROTO_UDP", 0));
    // SAFETY: the kernel finds nothing at this address and says so.
    assert_eq!(unsafe { libc::bind(udp.as_raw_fd(), std::ptr::without_provenance(8), 16) }, -1);
    bound.push(says(
        format!("{} (unreadable)", event::Endpoint::default()),
        "IP_PROTO_UDP",
        -(Errno::last() as i32),
    ));
}

/// As a 32-bit program does it; there may be no such calls.
fn of_32_bits(bound: &mut Says) {
    let udp = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None).unwrap();
    let address = [2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let descriptor = u64::try_from(udp.as_raw_fd()).unwrap();
    let result = call_of_i386(361, &address, |low| [descriptor, low, 16]);
    if result == -libc::ENOSYS {
        return;
    }
    assert_eq!(result, 0);
    bound.push(says(std::net::UdpSocket::from(udp).local_addr().unwrap(), "IP_PROTO_UDP", 0));
}

#[test]
fn a_socket_and_its_peer_are_told_by_the_kernel_in_every_family() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("sockets", table);
        assert!(watch.run("sockets").success());
        let text = std::fs::read_to_string(watch.path("said")).unwrap();
        let (bound, connected): (Says, Says) = serde_json::from_str(&text).unwrap();
        for (kind, wanted) in [(Kind::Bind, bound), (Kind::Connect, connected)] {
            let of_kind = watch.events.iter().filter(|event| event.kind() == kind);
            let said: Says = of_kind
                .map(|event| {
                    let mut fields = workloads::kinds::said(&event.what).into_iter().map(|(_, text)| text);
                    let mut next = || fields.next().unwrap();
                    (next(), next(), next())
                })
                .collect();
            assert_eq!(said, wanted, "{kind:?}");
        }
        watch.assert_nothing_lost();
    }
}
