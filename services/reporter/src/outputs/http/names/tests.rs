use std::net::Ipv6Addr;

use tokio::net::UdpSocket;

use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

#[test]
fn the_file_of_hosts_is_read_as_it_is_written() {
    let file = b"127.0.0.1 localhost\n# 192.0.2.1 intake.test\n192.0.2.7\tintake.test  Intake # x\n2001:db8::1 intake.test\nnonsense\n";
    let both = [IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), ADDRESS.into()];
    assert_eq!(in_hosts(file, "intake.test"), both);
    assert_eq!(in_hosts(file, "INTAKE"), [IpAddr::from(ADDRESS)]);
    assert_eq!(in_hosts(file, "other.test"), Vec::<IpAddr>::new());
    assert_eq!(in_hosts(b"", "localhost"), Vec::<IpAddr>::new());
}

#[test]
fn name_servers_are_those_of_the_file_and_nobody_elses() {
    let named = |file: &[u8]| -> Vec<IpAddr> {
        servers(file).0.name_servers().iter().map(|server| server.ip).collect()
    };
    assert_eq!(named(b"search a.test\nnameserver 192.0.2.7\noptions ndots:5\n"), [IpAddr::from(ADDRESS)]);
    for none in [&b""[..], b"search a.test\n", b"\xff\xfe"] {
        assert_eq!(named(none), [IpAddr::from(Ipv4Addr::LOCALHOST)], "{none:?}");
    }
}

/// Answers every question for an IPv4 address with the same one, and every other with nothing.
async fn answer(server: UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, peer)) = server.recv_from(&mut buffer).await {
        let question = buffer.get(..length).unwrap_or_default();
        // The header of 12 bytes, the name up to its empty label, the type and the class.
        let name = question.iter().skip(12).position(|byte| *byte == 0).unwrap();
        let end = 12 + name + 5;
        let is_v4 = question.get(end - 4..end - 2) == Some(&[0, 1]);
        let mut reply = question.get(..end).unwrap().to_vec();
        // An answer with recursion, one question, and as many answers as there are.
        reply.splice(2..12, [0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
        if is_v4 {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(ADDRESS.octets());
        }
        server.send_to(&reply, peer).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_in_no_file_is_asked_for() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = server.local_addr().unwrap().port();
    let served = tokio::spawn(answer(server));
    let (config, options) = servers(b"nameserver 127.0.0.1\n");
    let (domain, search, mut servers) = config.into_parts();
    for connection in servers.iter_mut().flat_map(|server| &mut server.connections) {
        connection.port = port;
    }
    let config = ResolverConfig::from_parts(domain, search, servers);
    assert_eq!(ask(config, options, "intake.test").await.unwrap(), [IpAddr::from(ADDRESS)]);
    served.abort();
}
