//! Compiles the .proto files without protoc.

fn main() -> anyhow::Result<()> {
    let root = "../../proto";
    let files = ["analyzer", "batch", "probe", "reporter", "status"]
        .map(|name| format!("{root}/shrike/v1/{name}.proto"));
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
