mod limits;

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;

use super::*;
use crate::socket::bind;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LIMITS: Limits = Limits { connections_per_uid: 3, streams_per_connection: 5 };

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
    registry: Registry,
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn place(allowed: u32) -> (Place, Door) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = bind(&path, &PeerUids::new([own_uid()])).unwrap();
    let registry = Registry::default();
    let door = Door::new(listener, PeerUids::new([allowed]), LIMITS, &registry, "x_refused_total");
    (Place { _dir: dir, path, registry }, door)
}

impl Place {
    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    fn refused(&self, why: &str) -> u64 {
        self.registry.counter("x_refused_total", &[("why", why)]).get()
    }
}

/// Everything that the other side says until it hangs up.
async fn heard(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    // Being hung up on with something unread is an error, and not ours.
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.unwrap().ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn another_uid_is_told_so_and_nothing_is_read_from_it() {
    let (place, mut door) = place(own_uid() + 1);
    let mut stranger = place.connect().await;
    stranger.write_all(PREFACE).await.unwrap();
    let text = tokio::select! {
        _ = door.next() => panic!("it came in"),
        text = heard(stranger) => text,
    };
    assert!(text.contains("may not use this socket"), "{text:?}");
    assert_eq!(place.refused("uid"), 1);
}

#[tokio::test]
async fn one_uid_has_so_many_connections_and_a_place_is_free_again_when_one_ends() {
    let (place, mut door) = place(own_uid());
    let mut clients = Vec::new();
    let mut inside = Vec::new();
    for _ in 0..LIMITS.connections_per_uid {
        clients.push(place.connect().await);
        inside.push(door.next().await.unwrap().unwrap());
    }
    let one_too_many = place.connect().await;
    let text = tokio::select! {
        _ = door.next() => panic!("it came in"),
        text = heard(one_too_many) => text,
    };
    assert!(text.contains("which is the limit"), "{text:?}");
    assert_eq!(place.refused("limit"), 1);
    inside.pop();
    let _again = place.connect().await;
    door.next().await.unwrap().unwrap();
}

#[tokio::test]
async fn refused_peers_hold_no_more_than_a_handful_of_descriptors() {
    let (place, mut door) = place(own_uid() + 1);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..200 {
        let stranger = place.connect().await;
        // Lets the door run until nobody waits outside.
        assert!(tokio::time::timeout(Duration::from_millis(1), door.next()).await.is_err());
        drop(stranger);
    }
    assert_eq!(place.refused("uid"), 200);
    // Tests beside this one open some as well.
    assert!(open() <= before + LINGERING + 60, "{before} became {}", open());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_send_the_preface_in_time_is_let_go_however_slowly_it_sends() {
    let (place, mut door) = place(own_uid());
    let mut slow = place.connect().await;
    let mut inside = door.next().await.unwrap().unwrap();
    let begun = tokio::time::Instant::now();
    let sending = async {
        for byte in PREFACE.iter().cycle().take(PREFACE.len() * 4) {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut received = Vec::new();
    let ended = tokio::select! {
        ended = inside.read_to_end(&mut received) => ended,
        () = sending => panic!("it was not let go"),
    };
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() < PREFACE_WITHIN * 2 && received.len() < PREFACE_BYTES, "{received:?}");
    assert_eq!(place.refused("silent"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_sent_the_preface_may_be_silent() {
    let (place, mut door) = place(own_uid());
    let mut client = place.connect().await;
    client.write_all(PREFACE).await.unwrap();
    let mut inside = door.next().await.unwrap().unwrap();
    inside.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
    let silence = tokio::time::timeout(PREFACE_WITHIN * 3, inside.read_u8()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[test]
fn with_few_descriptors_each_uid_gets_its_share() {
    assert!(affordable(1) >= affordable(3) && affordable(3) >= 1);
    assert_eq!(affordable(usize::MAX), 1);
}
