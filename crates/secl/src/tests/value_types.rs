//! Section 5 of the cases: addresses.

use super::neutral::{Neutral, net};
use super::rows::{accepted, hold, refused};

#[test]
fn ipv4_addresses_are_as_in_section_5() {
    let model = Neutral::new();
    let mut event = model.event();
    event.set("ip1", net("10.20.0.1"));
    event.list("ips", [net("10.20.0.1"), net("10.21.0.1")]);
    event.set("net1", net("10.20.0.0/24"));
    event.list("nets", [net("10.20.0.0/24"), net("172.16.0.0/16")]);
    hold(
        &event,
        &[
            ("10.20.0.1 == 10.20.0.2", false),
            ("10.20.0.15 in 10.20.0.1/24", true),
            ("10.20.0.16 not in 10.20.1.1/24", true),
            ("10.20.0.16/16 in 10.20.1.1/8", true),
            ("10.20.0.16/16 allin 10.20.1.1/8", true),
            ("11.20.0.16/16 in 10.20.1.1/8", false),
            ("ip1 == 10.20.0.1", true),
            ("ip1 == ::ffff:127.0.0.1", false),
            ("ip1 == ::ffff:10.20.0.1", true),
            ("ip1 in 10.20.0.1/32", true),
            ("ip1 in 0.0.0.0/0", true),
            ("ip1 in ::1/0", false),
            ("ip1 in 10.20.4.0/16", true),
            ("ip1 not in 10.20.4.0/16", false),
            ("ip1 not in 10.20.4.0/24", true),
            ("ip1 in ::ffff:10.20.4.0/112", true),
            ("ip1 in ::ffff:10.20.4.0/120", false),
            ("ip1 in [ 127.0.0.1, 172.16.0.1 ]", false),
            ("ip1 in [ 172.16.0.1, 127.0.0.1, 10.21.4.1/16 ]", false),
            ("10.20.0.1/24 in [ 172.16.0.1, ::ffff:10.20.0.1/120 ]", true),
            ("ips in 10.20.0.0/16", true),
            ("ips not in 10.20.0.0/16", false),
            ("ips allin 10.20.0.0/16", false),
            ("ips allin [ 10.20.0.0/8, 0.0.0.0/0 ]", true),
            ("ips allin [ 10.20.0.0/8, 1.0.0.0/8 ]", false),
            ("10.0.0.0/8 allin ips", true),
            ("net1 in 10.20.0.0/8", true),
            ("net1 in 11.20.0.0/8", false),
            ("nets in 172.16.0.1/8", true),
            ("nets allin 172.16.0.1/8", false),
            ("ips == ip1", true),
            ("ip1 != 10.20.0.0/24", false),
            ("ip1 in ${vnets}", false),
        ],
    );
    accepted(&model, &["ips == ip1"]);
    for op in [">=", ">", "<=", "<", "=~"] {
        refused(&model, &[(&format!("ips {op} ip1"), &format!("operator `{op}`"))]);
    }
    refused(
        &model,
        &[("ip1 == \"10.0.0.1\"", "without quotes: 10.0.0.1"), ("ip1 in [ \"x\" ]", "list of strings")],
    );
}

#[test]
fn ipv6_addresses_are_as_in_section_5() {
    let model = Neutral::new();
    let mut event = model.event();
    let (first, second) = ("2a00:0:0cab:beef::b0:1234:4e", "2a00:0:0cab:beef::b0:1235:4e");
    event.set("ip1", net(first));
    event.list("ips", [net(first), net(second)]);
    event.set("net1", net("2a00:0:0cab:beef::b0:1234:4e/112"));
    event.list("nets", [net("2a00:0:0cab:beef::b0:1234:4e/112"), net("2a00:0:0cab:c00f::b0:1234:4e/64")]);
    hold(
        &event,
        &[
            ("2a00:0:0cab:beef::b0:1234:4e == 2a00:0:0cab:beef::b0:1234:4e", true),
            ("2a00:0:0cab:beef::b0:1234:4e not in 2a00:0:0cab:beef::b0:1234:ab00/120", true),
            ("2a00:0:0cab:beef::b0:1234:4e/64 in 2a00:0:0cab:beef::b0:1234:1b00/32", true),
            ("ip1 == ::1", false),
            ("ip1 in ::1/0", true),
            ("ip1 in 2a00:0:0cab:beef::b0:1234:4e/128", true),
            ("ip1 in 2a00:0:0cab:beef::b0:1234:0/112", true),
            ("ip1 in 2a00:0:0cab:beef::b0:0:0/112", false),
            ("ip1 in [ ::1, 2a00:0:0cab:beef::b0:1234:4e ]", true),
            ("ips not in 2a00:0:0cab:beef::b0:1234:0/120", false),
            ("ips allin 2a00:0:0cab:beef::b0:1234:0/120", false),
            ("ips allin 2a00:0:0cab:beef::b0:1234:0/104", true),
            ("ips allin [ 2a00:0:0cab:beef::b0:1234:0/104, 2b00::1/16 ]", false),
            ("net1 in 2a00:0:0cab:beef::b0:1234:4e/112", true),
            ("nets in 2a00:0:0cab:beef::b0:1234:4e/64", true),
            ("nets allin 2a00:0:0cab:beef::b0:1234:4e/64", false),
        ],
    );
}
