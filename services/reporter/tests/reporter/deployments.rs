//! The configurations in `deploy/` are ones that the reporter accepts as they are.

use std::path::Path;

use bootstrap::config::load;
use reporter::config::Config;

#[test]
fn every_deployed_configuration_is_accepted_without_a_correction() {
    for folder in ["kubernetes", "systemd"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder).join("reporter.toml");
        let mut config: Config = load(Some(&path)).unwrap();
        assert_eq!(config.settle().unwrap(), [], "{}", path.display());
        assert!(config.allowed_uids.len() == 1 && config.allowed_uids[0] != 0, "{}", path.display());
        assert!(config.intake.is_none(), "an example must not send anything anywhere");
    }
}

#[test]
fn the_intake_that_the_examples_show_is_accepted_once_it_is_enabled() {
    for folder in ["kubernetes", "systemd"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(folder).join("reporter.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, intake) = text.split_once("\n# [intake]\n").unwrap();
        let enabled = format!("[intake]\n{}", intake.replace("\n# ", "\n").trim_start_matches("# "));
        let mut config: Config = toml::from_str(&enabled).unwrap();
        assert_eq!(config.settle().unwrap(), [], "{}", path.display());
    }
}
