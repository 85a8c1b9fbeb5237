//! The configurations in `deploy/` are ones that the analyzer accepts as they are.

use std::path::Path;

use analyzer::config::Config;
use bootstrap::config::load;

#[test]
fn every_deployed_configuration_is_accepted_and_uses_the_sockets_of_the_other_services() {
    for folder in ["kubernetes", "systemd"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder).join("analyzer.toml");
        let config: Config = load(Some(&path)).unwrap();
        assert_eq!(config.sockets.probe, Path::new("/run/shrike-probe/probe.sock"), "{}", path.display());
        assert_eq!(
            config.sockets.reporter,
            Path::new("/run/shrike-reporter/reporter.sock"),
            "{}",
            path.display()
        );
        // Where the command line looks without an option.
        assert_eq!(config.sockets.api, Path::new("/run/shrike/analyzer.sock"), "{}", path.display());
    }
}
