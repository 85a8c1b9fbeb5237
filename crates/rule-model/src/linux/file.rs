//! The fields of a file.

use event::{File, Layer};
use secl::Value;

use crate::row::Shape::{Bool, Int, Path, Text, Texts, Time};
use crate::row::{OfFile, Read, Row, Which, row, unfilled};

pub(crate) fn read(which: Option<Which>, read: OfFile) -> Read {
    which.map_or(Read::Nothing, |which| Read::File(which, read))
}

pub(crate) const ROWS: [Row<OfFile>; 18] = [
    row("path", Path, "absolute path, as the process sees it", "== \"/etc/passwd\"", |file: &File| {
        Value::Text(file.path.as_bytes())
    }),
    row("name", Text, "last part of the path", "== \"passwd\"", |file: &File| Value::Text(file.name())),
    row("inode", Int, "inode number", "== 4711", |file: &File| int(file.inode)),
    row("mount_id", Int, "id of the mount", "== 25", |file: &File| int(file.mount_id.into())),
    row("filesystem", Text, "name of the file system type", "== \"overlay\"", |file: &File| {
        Value::Text(file.filesystem.as_bytes())
    }),
    row("mode", Int, "type and permission bits", "& S_IFREG > 0", |file: &File| int(file.mode.into())),
    row("rights", Int, "permission bits, as chmod takes them", "& S_ISUID > 0", |file: &File| {
        int((file.mode & 0o7777).into())
    }),
    row("uid", Int, "user id of the owner", "== 0", |file: &File| int(file.uid.into())),
    row("gid", Int, "group id of the owner", "== 0", |file: &File| int(file.gid.into())),
    unfilled("user", Text, "name of the owner", "== \"root\""),
    unfilled("group", Text, "name of the owning group", "== \"root\""),
    row("in_upper_layer", Bool, "created or changed since the container started", "", |file: &File| {
        Value::Bool(file.layer == Layer::Upper)
    }),
    row("change_time", Time, "when the inode was changed last", "< 5s", |file: &File| {
        Value::Int(file.change_ns)
    }),
    row("modification_time", Time, "when the content was changed last", "< 5s", |file: &File| {
        Value::Int(file.modification_ns)
    }),
    unfilled("hashes", Texts, "digests of the content, `algorithm:hex`", "in [ \"sha256:e3b0c442\" ]"),
    unfilled("package.name", Text, "the package that ships it", "== \"coreutils\""),
    unfilled("package.version", Text, "version of that package", "== \"9.1\""),
    unfilled("package.source_version", Text, "version of the source of that package", "== \"9.1-1\""),
];

fn int(value: u64) -> Value<'static> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
