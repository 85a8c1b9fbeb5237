//! Random well-typed rules and events over the neutral model, from small pools, so that they often meet.

use super::neutral::{Facts, Neutral, Own, net};

/// A small generator of numbers; the same seed gives the same rules and events.
pub(super) struct Random(u64);

const PATHS: [&str; 10] = [
    "/usr/bin/ls",
    "/usr/bin",
    "/usr/lib/x",
    "/etc/passwd",
    "/etc/ssh/key",
    "/a",
    "",
    "/usr/bin/",
    "/proc/4242/mem",
    "/etc/ssh/known_hosts",
];
const GLOBS: [&str; 9] =
    ["/usr/*", "/usr/**", "/usr/*/ls", "*/bin/*", "/etc/pass*", "/**", "*", "/etc/ssh/*", "/etc/ssh/k*y"];
const WORDS: [&str; 8] = ["ls", "LS", "passwd", "p", "zz", "", "www.example.com", "aaa1"];
const PATTERNS: [&str; 8] = ["*ls", "p*d", "*s*", "*", "www.*", "aa*", "*.com", "example"];
const REGEXPS: [&str; 4] = ["l.", "^/usr", "[A-Z]+", "p+$"];
const NETS: [&str; 7] =
    ["10.0.0.1", "10.0.0.2", "10.0.0.0/8", "::1", "::/0", "192.168.0.0/16", "::ffff:10.0.0.0/104"];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    fn int(&mut self) -> i64 {
        [0, 1, 2, 3, 4, 7, 11, 13, 64, 128, 192, 110, 4242, 1000, i64::MAX][self.below(15)]
    }

    /// A rule that the kernel can often filter by.
    pub(super) fn filterable(&mut self) -> String {
        let mut leaf = || match self.below(7) {
            0 => format!("open.file.path in [ {}, {} ]", self.literal(true), self.literal(true)),
            1 => format!("open.file.path != {}", self.literal(true)),
            2 => format!("open.flags & {} > {}", self.int(), self.below(2)),
            3 => format!("open.flags & {} != {}", self.int(), self.int()),
            4 => format!("process.auid {} {}", self.pick(&["<", "<=", ">", ">=", "==", "!="]), self.int()),
            5 => format!("s.text == {}", self.literal(false)),
            _ => format!("n.a in [ {}, {} ]", self.int(), self.int()),
        };
        let (first, second) = (leaf(), leaf());
        let depth = self.below(3);
        let rest = self.rule(depth);
        match self.below(6) {
            0 => format!("({first} || {second}) && ({rest})"),
            1 => format!("{first} && !({second})"),
            2 => format!("({first}) == ({second})"),
            3 => format!("!({first}) && {second} && ({rest})"),
            4 => rest,
            _ => format!("{first} && {second} && ({rest})"),
        }
    }

    /// A rule about anything.
    pub(super) fn rule(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            return self.leaf();
        }
        match self.below(7) {
            0 => format!("!({})", self.rule(depth - 1)),
            1 => format!("({}) == ({})", self.rule(depth - 1), self.rule(depth - 1)),
            2 | 3 => format!("({}) && ({})", self.rule(depth - 1), self.rule(depth - 1)),
            4 => format!("({}) && {} && {}", self.rule(depth - 1), self.leaf(), self.leaf()),
            5 => format!("({}) || {} || {}", self.rule(depth - 1), self.leaf(), self.leaf()),
            _ => format!("({}) || ({})", self.rule(depth - 1), self.rule(depth - 1)),
        }
    }

    fn leaf(&mut self) -> String {
        match self.below(12) {
            0..=4 => self.text_leaf(),
            5..=8 => self.int_leaf(),
            9 => self.net_leaf(),
            10 => self
                .pick(&[
                    "b.flag",
                    "x",
                    "!ar.f",
                    "b.flag == false",
                    "true",
                    "false",
                    "ar.f == x",
                    "x != b.flag",
                ])
                .to_owned(),
            _ => self.pick(&["b.flag in [ true ]", "ar.f && x", "true in ar.f", "${vb} == x"]).to_owned(),
        }
    }

    fn text_field(&mut self) -> (&'static str, bool) {
        let fields = [
            ("g.path", true),
            ("open.file.path", true),
            ("p.list", true),
            ("s.text", false),
            ("it.s", false),
            ("it[A].s", false),
            ("l.texts", false),
            ("d.name", false),
            ("w.name", false),
            ("ar.s", false),
            ("%{s.text}", false),
            ("process.ancestors.file.name", false),
        ];
        fields[self.below(fields.len())]
    }

    fn literal(&mut self, is_path: bool) -> String {
        let (exact, patterns) = if is_path { (&PATHS[..], &GLOBS[..]) } else { (&WORDS[..], &PATTERNS[..]) };
        match self.below(6) {
            0 | 1 => format!("~\"{}\"", self.pick(patterns)),
            2 => format!("r\"{}\"", self.pick(&REGEXPS)),
            _ => format!("\"{}\"", self.pick(exact)),
        }
    }

    fn text_leaf(&mut self) -> String {
        let (field, is_path) = self.text_field();
        match self.below(8) {
            0 => {
                let pattern = self.pick(if is_path { &GLOBS } else { &PATTERNS });
                format!("{field} {} \"{pattern}\"", self.pick(&["=~", "!~"]))
            }
            1 | 2 => {
                let members: Vec<String> = (0..=self.below(3)).map(|_| self.literal(is_path)).collect();
                format!("{field} {} [ {} ]", self.pick(&["in", "not in"]), members.join(", "))
            }
            3 => format!("{field} {} {}", self.pick(&["==", "!="]), self.text_field().0),
            4 => format!("{} in it.s", self.literal(false)),
            5 => format!(
                "{field} == {}",
                self.pick(&[
                    "\"/proc/${vpid}/mem\"",
                    "\"%{s.text}\"",
                    "${vtag}",
                    "\"${vtag}\"",
                    "\"%{it.length}\"",
                    "\"%{d.name.root_domain}\"",
                ])
            ),
            6 => format!("{field} in [ \"ls\", \"/proc/${{vpid}}/mem\" ]"),
            _ => format!("{field} {} {}", self.pick(&["==", "!="]), self.literal(is_path)),
        }
    }

    fn int_leaf(&mut self) -> String {
        let order = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
        let field = self.pick(&[
            "n.a",
            "n.b",
            "rv",
            "it.k",
            "it[A].k",
            "ar.k",
            "l.ints",
            "l.ints[1]",
            "open.flags",
            "process.auid",
        ]);
        let scalar = self.pick(&[
            "n.a",
            "n.b",
            "rv",
            "it[A].k",
            "open.flags",
            "s.text.length",
            "it.length",
            "l.ints.length",
        ]);
        match self.below(8) {
            0 => format!("{scalar} & {} {order} {}", self.int(), self.int()),
            1 => format!("{scalar} - {} {order} {}", self.int(), self.pick(&["n.a", "n.b", "3"])),
            2 => format!("^{scalar} {order} {}", self.int()),
            3 => {
                let members: Vec<String> = (0..=self.below(3)).map(|_| self.int().to_string()).collect();
                format!("{field} {} [ {} ]", self.pick(&["in", "not in"]), members.join(", "))
            }
            4 => format!("{} {order} {field}", self.int()),
            5 => format!("{} {} l.ints", self.int(), self.pick(&["in", "not in"])),
            6 if order != "!=" => format!("t.start {order} {}s", self.below(4)),
            _ => format!("{field} {order} {}", self.int()),
        }
    }

    fn net_leaf(&mut self) -> String {
        let field = self.pick(&["ip1", "ips", "net1", "nets"]);
        let network = NETS[2 + self.below(5)];
        let network = if network == "::1" { "::1/128" } else { network };
        match self.below(4) {
            0 => format!("{field} {} {}", self.pick(&["==", "!="]), self.pick(&NETS)),
            1 => format!("{field} {} {network}", self.pick(&["in", "not in", "allin"])),
            2 => {
                let members = [self.pick(&NETS), self.pick(&NETS)];
                format!(
                    "{field} {} [ {}, {} ]",
                    self.pick(&["in", "not in", "allin"]),
                    members[0],
                    members[1]
                )
            }
            _ => format!("{field} == {}", self.pick(&["ip1", "nets"])),
        }
    }

    /// An event with some of everything.
    pub(super) fn event<'m>(&mut self, model: &'m Neutral) -> Facts<'m> {
        let mut event = model.event();
        for field in ["g.path", "open.file.path"] {
            event.set(field, self.pick(&PATHS));
        }
        for field in ["s.text", "d.name", "w.name", "o.name", "ci.field"] {
            event.set(field, self.pick(&WORDS));
        }
        for field in ["n.a", "n.b", "rv", "open.flags", "process.auid", "process.uid"] {
            let value = self.int();
            event.set(field, value);
        }
        for field in ["b.flag", "x"] {
            event.set(field, self.below(2) == 0);
        }
        let paths: Vec<_> = (0..self.below(3)).map(|_| self.pick(&PATHS)).collect();
        event.list("p.list", paths);
        let words: Vec<_> = (0..self.below(3)).map(|_| self.pick(&WORDS)).collect();
        event.list("l.texts", words);
        let ints: Vec<_> = (0..self.below(3)).map(|_| self.int()).collect();
        event.list("l.ints", ints);
        let items = self.below(4);
        let keys: Vec<_> = (0..items).map(|_| self.int()).collect();
        event.set_items("it.k", keys);
        let words: Vec<_> = (0..items).map(|_| self.pick(&WORDS)).collect();
        event.set_items("it.s", words);
        let items = self.below(3);
        let keys: Vec<_> = (0..items).map(|_| self.int()).collect();
        event.set_items("ar.k", keys);
        let words: Vec<_> = (0..items).map(|_| self.pick(&WORDS)).collect();
        event.set_items("ar.s", words);
        let flags: Vec<_> = (0..items).map(|_| self.below(2) == 0).collect();
        event.set_items("ar.f", flags);
        let words: Vec<_> = (0..self.below(3)).map(|_| self.pick(&WORDS)).collect();
        event.set_items("process.ancestors.file.name", words);
        for field in ["ip1", "net1"] {
            let value = net(self.pick(&NETS));
            event.set(field, value);
        }
        for field in ["ips", "nets"] {
            let nets: Vec<Own> = (0..self.below(3)).map(|_| net(self.pick(&NETS))).collect();
            event.list(field, nets);
        }
        event.now_ns = 10_000_000_000;
        event.set("t.start", event.now_ns - self.below(4) as i64 * 1_000_000_000);
        event
    }
}

/// How many rounds a property runs: few where all tests run, more by hand.
pub(super) fn rounds(few: u64) -> u64 {
    std::env::var("SECL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
