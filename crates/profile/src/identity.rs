//! What makes a behaviour itself, as 128 bits that nobody can aim at without the key.
//!
//! Every text has its length in front and every list its number, so two behaviours never have one encoding.

use std::hash::Hasher as _;

use activity_tree::{Process, What};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::observation::Observation;
use crate::settings::Settings;

/// The key of the identities, drawn by the owner. With the same key, a replay gives the same.
#[derive(Clone, Copy)]
pub struct Key(pub [u8; 16]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A behaviour of a version of an image.
pub(crate) type Identity = u128;

struct Encoding(SipHasher24);

impl Encoding {
    fn number(&mut self, number: impl Into<u64>) {
        self.0.write(&number.into().to_le_bytes());
    }

    fn size(&mut self, size: usize) {
        self.number(u64::try_from(size).unwrap_or(u64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.0.write(text.as_bytes());
    }

    /// What the look-up in a tree compares of a process.
    fn process(&mut self, process: &Process, settings: &Settings) {
        self.number(process.is_exec);
        self.text(&process.file.path);
        let is_busybox = process.file.path.rsplit('/').next() == Some("busybox");
        self.text(if is_busybox { &process.argv0 } else { "" });
        let args: &[String] = if settings.differentiate_args { &process.args } else { &[] };
        self.size(args.len());
        args.iter().for_each(|arg| self.text(arg));
    }

    fn what(&mut self, what: &What<'_>, settings: &Settings) {
        match what {
            What::Exec | What::Exit(_) | What::Other => {}
            What::Open { path, .. } => self.text(path),
            What::Dns(question) => {
                let name = question.name.to_ascii_lowercase();
                let depth = settings.dns_match_max_depth;
                let labels = if depth == 0 { usize::MAX } else { depth };
                // From the last one on; their number is told, so the end is.
                let labels: Vec<&str> = name.rsplit('.').take(labels).collect();
                self.size(labels.len());
                labels.iter().for_each(|label| self.text(label));
                self.number(if depth == 0 { 0 } else { question.qtype });
            }
            What::Bind(bind, _) => {
                self.text(&bind.family);
                self.text(&bind.ip);
                self.number(bind.port);
                self.number(bind.protocol);
            }
            What::Imds(imds) => {
                for text in
                    [&imds.kind, &imds.cloud_provider, &imds.url, &imds.host, &imds.user_agent, &imds.server]
                {
                    self.text(text);
                }
                let aws = imds.aws.as_ref();
                self.number(aws.map_or(0_u8, |aws| 1 + u8::from(aws.is_imds_v2)));
                let key = aws.and_then(|aws| aws.credentials.as_ref());
                self.number(key.is_some());
                for text in key.into_iter().flat_map(|key| [&key.code, &key.kind, &key.access_key_id]) {
                    self.text(text);
                }
            }
            What::Syscalls(numbers) => {
                self.size(numbers.len());
                numbers.iter().for_each(|number| self.number(*number));
            }
            What::Flows(device, flows) => {
                self.number(device.netns);
                self.number(device.ifindex);
                self.text(&device.ifname);
                self.size(flows.len());
                for flow in *flows {
                    for (ip, port) in [&flow.source, &flow.destination] {
                        self.text(ip);
                        self.number(*port);
                    }
                    self.number(flow.l3_protocol);
                    self.number(flow.l4_protocol);
                }
            }
            What::Capability(number, is_held) => {
                self.number(*number);
                self.number(*is_held);
            }
        }
    }
}

/// The identity of what an observation did, or of a part of it.
pub(crate) fn identity(
    key: Key,
    image: &str,
    observation: &Observation<'_>,
    what: &What<'_>,
    settings: &Settings,
) -> Identity {
    let mut encoding = Encoding(SipHasher24::new_with_key(&key.0));
    encoding.text(image);
    encoding.text(observation.tag());
    encoding.number(activity_tree::EventType::of(what) as u8);
    encoding.size(observation.lineage.len());
    observation.lineage.iter().for_each(|process| encoding.process(process, settings));
    encoding.what(what, settings);
    encoding.0.finish128().as_u128()
}

/// An instance, for sets that are bounded.
pub(crate) fn instance(key: Key, id: &str) -> u64 {
    let mut encoding = Encoding(SipHasher24::new_with_key(&key.0));
    encoding.text(id);
    encoding.0.finish()
}

#[cfg(test)]
mod tests {
    use activity_tree::{Bind, FileInfo, Imds, Open, Question};

    use super::*;

    fn process(path: &str, argv0: &str, args: &[&str]) -> Process {
        let file = FileInfo { path: path.to_owned().into(), ..FileInfo::default() };
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Process { file, argv0: argv0.to_owned(), args, ..Process::default() }
    }

    fn of(
        key: u8,
        image: &str,
        tag: &str,
        lineage: &[&Process],
        what: &What<'_>,
        settings: &Settings,
    ) -> Identity {
        let observation = Observation {
            lineage,
            what: what.clone(),
            rules: &[],
            image_tag: tag,
            instance: "c",
            created_ns: 0,
            tags: &[],
        };
        identity(Key([key; 16]), image, &observation, what, settings)
    }

    #[test]
    fn whatever_makes_a_behaviour_another_one_makes_another_identity() {
        let [a, b] = ["/a", "/b"].map(|path| process(path, "", &[]));
        let exec = Process { is_exec: true, ..b.clone() };
        let dash = process("/bin/busybox", "ash", &[]);
        let cat = process("/bin/busybox", "cat", &[]);
        let open = |path| What::Open { path, file: None, open: Open::default() };
        let asks = |name: &'static str, qtype| {
            What::Dns(Question { name: name.into(), qtype, ..Question::default() })
        };
        let bind = |ip: &'static str, port, protocol| {
            What::Bind(Bind { family: "AF_INET".into(), ip: ip.into(), port, protocol }, 0)
        };
        let imds = ["/1", "/2"].map(|url| Imds { url: url.into(), ..Imds::default() });
        let settings = Settings::default();
        let one = |key, image, tag, lineage: &[&Process], what| of(key, image, tag, lineage, what, &settings);
        let mut all = vec![
            one(1, "web", "1", &[&a], &What::Exec),
            one(2, "web", "1", &[&a], &What::Exec),
            one(1, "db", "1", &[&a], &What::Exec),
            one(1, "web", "2", &[&a], &What::Exec),
            one(1, "we", "b1", &[&a], &What::Exec),
            one(1, "web", "1", &[&b], &What::Exec),
            one(1, "web", "1", &[&a, &b], &What::Exec),
            one(1, "web", "1", &[&b, &a], &What::Exec),
            one(1, "web", "1", &[&a, &exec], &What::Exec),
            one(1, "web", "1", &[&dash], &What::Exec),
            one(1, "web", "1", &[&cat], &What::Exec),
            one(1, "web", "1", &[], &What::Exec),
        ];
        let acts = [
            open("/x"),
            open("/y"),
            asks("x.y", 1),
            asks("xy", 1),
            asks("x.y", 28),
            asks("z.x.y", 1),
            bind("1.1.1.1", 80, 6),
            bind("1.1.1.1", 81, 6),
            bind("1.1.1.1", 80, 17),
            bind("1.1.1.2", 80, 6),
            What::Imds(&imds[0]),
            What::Imds(&imds[1]),
            What::Syscalls(&[1]),
            What::Syscalls(&[2]),
            What::Capability(1, true),
            What::Capability(1, false),
        ];
        all.extend(acts.iter().map(|what| one(1, "web", "1", &[&a], what)));
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }

    #[test]
    fn what_the_look_up_takes_for_one_has_one_identity() {
        let settings = Settings::default();
        let same = |one: (&Process, &What<'_>), other: (&Process, &What<'_>), settings: &Settings| {
            let [one, other] =
                [one, other].map(|(process, what)| of(1, "web", "1", &[process], what, settings));
            one == other
        };
        let (x, y) = (process("/a", "x", &["1"]), process("/a", "y", &["2"]));
        assert!(same((&x, &What::Exec), (&y, &What::Exec), &settings));
        let with_args = Settings { differentiate_args: true, ..settings.clone() };
        assert!(!same((&x, &What::Exec), (&y, &What::Exec), &with_args));
        let asks = |name: &'static str, qtype| {
            What::Dns(Question { name: name.into(), qtype, ..Question::default() })
        };
        assert!(same((&x, &asks("1.a.B.c", 1)), (&x, &asks("2.a.b.c", 1)), &settings));
        let whole = Settings { dns_match_max_depth: 0, ..settings };
        assert!(!same((&x, &asks("1.a.b.c", 1)), (&x, &asks("2.a.b.c", 1)), &whole));
        assert!(same((&x, &asks("1.a.b.c", 1)), (&x, &asks("1.a.b.c", 28)), &whole));
    }
}
