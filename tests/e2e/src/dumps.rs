//! Dump files, read by a decoder that knows nothing but their schema.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

/// The programs that led to a behaviour, with ` > ` between, and what it is; nothing for the program itself.
pub type Behaviour = (String, String);

/// Reads a dump or profile; its ending says what it is.
///
/// # Errors
/// When it is no whole message of its type.
pub fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::read(path)?;
    let message = match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("protobuf") => "SecDump",
        Some("profile") => "SecurityProfile",
        Some("json") => return Ok(serde_json::from_slice(&bytes)?),
        _ => bail!("{} is no dump", path.display()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let descriptors = protox::compile([root.join("datadog/cws/dumpsv1/activity_dump.proto")], [root])?;
    let pool = DescriptorPool::from_file_descriptor_set(descriptors)?;
    let descriptor =
        pool.get_message_by_name(&format!("datadog.cws.dumpsv1.{message}")).context("no such message")?;
    let decoded = DynamicMessage::decode(descriptor, bytes.as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    Ok(decoded.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Everything that a dump holds.
#[must_use]
pub fn behaviours(dump: &Value) -> BTreeSet<Behaviour> {
    let mut all = BTreeSet::new();
    for node in items(dump, "tree") {
        process(node, "", &mut all);
    }
    all
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn process(node: &Value, above: &str, all: &mut BTreeSet<Behaviour>) {
    let name = format!("{} {}", text(node, "/process/file/path"), text(node, "/process/argv0"));
    let name = if above.is_empty() { name } else { format!("{above} > {name}") };
    all.insert((name.clone(), String::new()));
    for file in items(node, "files") {
        files(file, "", &name, all);
    }
    for bind in items(node, "sockets").flat_map(|socket| items(socket, "bind")) {
        let port = bind.get("port").map(ToString::to_string).unwrap_or_default();
        all.insert((name.clone(), format!("bind {}:{port}", text(bind, "/ip"))));
    }
    for child in items(node, "children") {
        process(child, &name, all);
    }
}

fn files(node: &Value, above: &str, process: &str, all: &mut BTreeSet<Behaviour>) {
    let path = format!("{above}/{}", text(node, "/name"));
    if node.get("open").is_some_and(|open| !open.is_null()) {
        all.insert((process.to_owned(), format!("file {path}")));
    }
    for child in items(node, "children") {
        files(child, &path, process, all);
    }
}
