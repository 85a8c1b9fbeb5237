//! Compiles the .proto files without protoc.

fn main() -> anyhow::Result<()> {
    let root = "../../proto";
    let files = ["v1/analyzer", "v1/batch", "v1/dump", "v1/probe", "v1/reporter", "v1/status", "wire1/batch"]
        .map(|name| format!("{root}/shrike/{name}.proto"));
    println!("cargo:rerun-if-changed={root}");
    let descriptors = protox::compile(&files, [root])?;
    tonic_prost_build::configure()
        .bytes(".shrike.v1.FromProbe.batch")
        .bytes(".shrike.v1.PayloadGroup")
        // The same status must give the same bytes, in captures as in tests.
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
