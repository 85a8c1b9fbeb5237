//! Values of several fields, as records of numbers and text ids that are kept once.
//!
//! A record is good for one tree only. Reading one never fails: what is missing at its end is 0.

use std::borrow::Cow;

use crate::arena::{TextId, Texts};
use crate::model::{Credentials, FileInfo, Open, Package, Process};
use crate::node::Info;
use crate::varint::{self, unzigzag, zigzag};

/// A record that is being written.
struct Record<'t> {
    texts: &'t mut Texts,
    bytes: Vec<u8>,
}

impl<'t> Record<'t> {
    fn new(texts: &'t mut Texts) -> Self {
        Self { texts, bytes: Vec::new() }
    }

    fn number(&mut self, value: impl Into<u64>) {
        varint::write(&mut self.bytes, value.into());
    }

    fn text(&mut self, text: &str) {
        let id = self.texts.add(text.as_bytes());
        self.number(id.0);
    }

    /// One that is always long: as it is.
    fn long(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// 0 = none, so the others are one more than they are.
    fn option(&mut self, value: Option<u64>) {
        self.number(value.map_or(0, |value| value.saturating_add(1)));
    }

    fn option_text(&mut self, text: Option<&str>) {
        let id = text.map(|text| u64::from(self.texts.add(text.as_bytes()).0));
        self.option(id);
    }

    /// The record without zeros at its end.
    fn finish(mut self) -> TextId {
        // The last byte of a number is 0 only if the number is.
        while self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.texts.add(&self.bytes)
    }
}

/// The numbers of a record, one after the other.
struct Fields<'t> {
    texts: &'t Texts,
    rest: &'t [u8],
}

impl<'t> Fields<'t> {
    fn of(texts: &'t Texts, id: TextId) -> Self {
        Self { texts, rest: texts.get(id) }
    }

    fn number(&mut self) -> u64 {
        let (value, rest) = varint::read(self.rest).unwrap_or_default();
        self.rest = rest;
        value
    }

    fn long(&mut self) -> u64 {
        let (bytes, rest) = self.rest.split_at(self.rest.len().min(8));
        self.rest = rest;
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(0)
    }

    fn id(&mut self) -> TextId {
        TextId(self.small())
    }

    fn text(&mut self) -> Cow<'t, str> {
        let id = self.id();
        Cow::Borrowed(self.texts.text(id))
    }

    fn option(&mut self) -> Option<u64> {
        self.number().checked_sub(1)
    }

    fn option_text(&mut self) -> Option<Cow<'t, str>> {
        let id = u32::try_from(self.option()?).unwrap_or(0);
        Some(Cow::Borrowed(self.texts.text(TextId(id))))
    }
}

/// Several texts in order.
pub(crate) fn put_list<'a>(texts: &mut Texts, list: impl IntoIterator<Item = &'a str>) -> TextId {
    let mut record = Record::new(texts);
    list.into_iter().for_each(|text| record.text(text));
    // Zeros at the end are empty texts here.
    let bytes = record.bytes;
    texts.add(&bytes)
}

/// The texts of a list.
pub(crate) fn list(texts: &Texts, id: TextId) -> impl Iterator<Item = &str> {
    let mut fields = Fields::of(texts, id);
    std::iter::from_fn(move || {
        (!fields.rest.is_empty()).then(|| {
            let id = fields.id();
            texts.text(id)
        })
    })
}

/// Whether a list is these texts, and nothing is added to find that out.
pub(crate) fn find_list<'a>(texts: &Texts, list: impl IntoIterator<Item = &'a str>) -> Option<TextId> {
    let mut bytes = Vec::new();
    for text in list {
        varint::write(&mut bytes, texts.find(text.as_bytes())?.0.into());
    }
    texts.find(&bytes)
}

const HAS_FILE: u64 = 1;
const HAS_OPEN: u64 = 2;
/// The path is another than the place in the tree says.
const HAS_PATH: u64 = 4;
const HAS_BASENAME: u64 = 8;

/// What is known of a file at this path, and how it was opened.
pub(crate) fn put_leaf(
    texts: &mut Texts,
    file: Option<&FileInfo<'_>>,
    open: Option<Open>,
    path: &str,
) -> TextId {
    let attributes = file.map(|file| put_attributes(texts, file));
    let how = open.map(|open| put_open(texts, open));
    let mut record = Record::new(texts);
    let mark = |mark: u64, is_set: bool| if is_set { mark } else { 0 };
    let has_path = file.is_some_and(|file| file.path != path);
    let has_basename = file.is_some_and(|file| file.basename != basename(path));
    record.number(
        mark(HAS_FILE, file.is_some())
            | mark(HAS_OPEN, open.is_some())
            | mark(HAS_PATH, has_path)
            | mark(HAS_BASENAME, has_basename),
    );
    if let Some(how) = how {
        record.number(how.0);
    }
    if let Some(file) = file {
        if has_path {
            record.text(&file.path);
        }
        if has_basename {
            record.text(&file.basename);
        }
        record.number(attributes.unwrap_or_default().0);
        record.number(file.inode);
        record.long(file.ctime);
        record.number(zigzag(file.mtime.wrapping_sub(file.ctime).cast_signed()));
    }
    record.finish()
}

/// How files are opened is much the same for many of them.
fn put_open(texts: &mut Texts, open: Open) -> TextId {
    let mut record = Record::new(texts);
    record.number(open.flags);
    record.number(open.mode);
    record.number(zigzag(open.retval));
    record.finish()
}

fn open(texts: &Texts, id: TextId) -> Open {
    let mut fields = Fields::of(texts, id);
    Open { flags: fields.small(), mode: fields.small(), retval: unzigzag(fields.number()) }
}

/// The other way round.
pub(crate) fn leaf<'t>(texts: &'t Texts, id: TextId, path: &str) -> (Option<FileInfo<'t>>, Option<Open>) {
    let mut fields = Fields::of(texts, id);
    let marks = fields.number();
    let open = (marks & HAS_OPEN != 0).then(|| open(texts, fields.id()));
    if marks & HAS_FILE == 0 {
        return (None, open);
    }
    let path_of = if marks & HAS_PATH == 0 { Cow::Owned(path.to_owned()) } else { fields.text() };
    let base = if marks & HAS_BASENAME == 0 { Cow::Owned(basename(path).to_owned()) } else { fields.text() };
    let attributes = attributes(texts, fields.id());
    let (inode, ctime) = (fields.number(), fields.long());
    let mtime = ctime.wrapping_add(unzigzag(fields.number()).cast_unsigned());
    (Some(FileInfo { path: path_of, basename: base, inode, ctime, mtime, ..attributes }), open)
}

/// Whether a leaf says already what an event would add: cheaper than to put it together and compare.
pub(crate) fn says(texts: &Texts, id: TextId, has_file: bool, how: Option<Open>) -> bool {
    let mut fields = Fields::of(texts, id);
    let marks = fields.number();
    let known = (marks & HAS_OPEN != 0).then(|| open(texts, fields.id()));
    let says_how = how.is_none_or(|how| {
        known.is_some_and(|known| known.flags & how.flags == how.flags && known.mode & how.mode == how.mode)
    });
    says_how && (marks & HAS_FILE != 0 || !has_file)
}

/// What many files have in common.
fn put_attributes(texts: &mut Texts, file: &FileInfo<'_>) -> TextId {
    let hashes = put_list(texts, file.hashes.iter().map(AsRef::as_ref));
    let mut record = Record::new(texts);
    record.number(file.mode);
    record.number(file.uid);
    record.text(&file.user);
    record.number(file.gid);
    record.text(&file.group);
    record.number(file.mount_id);
    record.number(file.in_upper_layer);
    record.text(&file.filesystem);
    record.number(file.hash_state);
    record.number(hashes.0);
    let package = &file.package;
    record.text(&package.name);
    record.text(&package.version);
    record.text(&package.source_version);
    record.option(package.epoch.map(u64::from));
    record.option(package.source_epoch.map(u64::from));
    record.option_text(package.release.as_deref());
    record.option_text(package.source_release.as_deref());
    record.finish()
}

fn attributes(texts: &Texts, id: TextId) -> FileInfo<'_> {
    let mut fields = Fields::of(texts, id);
    let mut file = FileInfo {
        mode: fields.small(),
        uid: fields.small(),
        user: fields.text(),
        gid: fields.small(),
        group: fields.text(),
        mount_id: fields.small(),
        in_upper_layer: fields.number() != 0,
        filesystem: fields.text(),
        hash_state: fields.small(),
        ..FileInfo::default()
    };
    file.hashes = list(texts, fields.id()).map(Cow::Borrowed).collect();
    let [name, version, source_version] = [fields.text(), fields.text(), fields.text()];
    let [epoch, source_epoch] =
        [fields.option(), fields.option()].map(|epoch| epoch.and_then(|epoch| u32::try_from(epoch).ok()));
    let [release, source_release] = [fields.option_text(), fields.option_text()];
    file.package = Package { name, version, source_version, epoch, release, source_epoch, source_release };
    file
}

/// What a process says of itself; its path is that of its node.
pub(crate) fn put_info(texts: &mut Texts, process: &Process, path: &str) -> Info {
    let file = put_leaf(texts, Some(&process.file), None, path);
    let credentials = put_credentials(texts, &process.credentials);
    let args = put_list(texts, process.args.iter().map(String::as_str));
    let envs = put_list(texts, process.envs.iter().map(String::as_str));
    let mut text = |text: &str| texts.add(text.as_bytes());
    Info {
        file,
        argv0: text(&process.argv0),
        args,
        envs,
        container_id: text(&process.container_id),
        tty: text(&process.tty),
        comm: text(&process.comm),
        credentials,
        exec_time: process.exec_time,
        fork_time: process.fork_time,
        exit_time: process.exit_time,
        cookie: process.cookie,
        pid: process.pid,
        tid: process.tid,
        ppid: process.ppid,
        args_truncated: process.args_truncated,
        envs_truncated: process.envs_truncated,
        is_thread: process.is_thread,
    }
}

/// The other way round. Whether it is an exec child is not known here.
pub(crate) fn process(texts: &Texts, info: &Info, path: &str) -> Process {
    let text = |id: TextId| texts.text(id).to_owned();
    let strings = |id: TextId| list(texts, id).map(ToOwned::to_owned).collect();
    Process {
        exec_time: info.exec_time,
        fork_time: info.fork_time,
        exit_time: info.exit_time,
        file: leaf(texts, info.file, path).0.unwrap_or_default().into_owned(),
        argv0: text(info.argv0),
        args: strings(info.args),
        args_truncated: info.args_truncated,
        envs: strings(info.envs),
        envs_truncated: info.envs_truncated,
        pid: info.pid,
        tid: info.tid,
        ppid: info.ppid,
        cookie: info.cookie,
        is_thread: info.is_thread,
        is_exec: false,
        container_id: text(info.container_id),
        tty: text(info.tty),
        comm: text(info.comm),
        credentials: credentials(texts, info.credentials),
    }
}

fn put_credentials(texts: &mut Texts, credentials: &Credentials) -> TextId {
    let c = credentials;
    let mut record = Record::new(texts);
    for id in [c.uid, c.gid, c.effective_uid, c.effective_gid, c.fs_uid, c.fs_gid] {
        record.number(id);
    }
    for mask in [c.cap_effective, c.cap_permitted] {
        record.number(mask);
    }
    for name in [&c.user, &c.group, &c.effective_user, &c.effective_group, &c.fs_user, &c.fs_group] {
        record.text(name);
    }
    record.finish()
}

fn credentials(texts: &Texts, id: TextId) -> Credentials {
    let mut fields = Fields::of(texts, id);
    let [uid, gid, effective_uid, effective_gid, fs_uid, fs_gid] = std::array::from_fn(|_| fields.small());
    let [cap_effective, cap_permitted] = std::array::from_fn(|_| fields.number());
    let [user, group, effective_user, effective_group, fs_user, fs_group] =
        std::array::from_fn(|_| fields.text().into_owned());
    Credentials {
        uid,
        gid,
        user,
        group,
        effective_uid,
        effective_gid,
        effective_user,
        effective_group,
        fs_uid,
        fs_gid,
        fs_user,
        fs_group,
        cap_effective,
        cap_permitted,
    }
}

/// The last segment of a path.
pub(crate) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl FileInfo<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> FileInfo<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let package = self.package;
        FileInfo {
            path: own(self.path),
            basename: own(self.basename),
            user: own(self.user),
            group: own(self.group),
            filesystem: own(self.filesystem),
            hashes: self.hashes.into_iter().map(own).collect(),
            package: Package {
                name: own(package.name),
                version: own(package.version),
                source_version: own(package.source_version),
                release: package.release.map(own),
                source_release: package.source_release.map(own),
                epoch: package.epoch,
                source_epoch: package.source_epoch,
            },
            inode: self.inode,
            ctime: self.ctime,
            mtime: self.mtime,
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mount_id: self.mount_id,
            in_upper_layer: self.in_upper_layer,
            hash_state: self.hash_state,
        }
    }
}
