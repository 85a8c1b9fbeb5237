//! The configurations in `deploy/` are ones that the probe accepts as they are.

use std::path::Path;

use super::Config;
use bootstrap::config::load;

#[test]
fn every_deployed_configuration_is_accepted_and_names_the_one_user_who_may_connect() {
    for folder in ["kubernetes", "systemd"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder).join("probe.toml");
        let config: Config = load(Some(&path)).unwrap();
        assert!(config.allow_uid.is_some_and(|uid| uid != 0), "{}", path.display());
        // The analyzer must not be able to replace the socket.
        assert!(config.socket.starts_with("/run/shrike-probe"), "{}", path.display());
    }
}
