use super::*;

fn parse(text: &str) -> Config {
    toml::from_str(text).unwrap()
}

#[test]
fn the_example_is_valid_and_needs_no_correction() {
    let mut config = parse(include_str!("../../reporter.example.toml"));
    assert_eq!(config.settle().unwrap(), []);
    assert!(config.intake.is_some() && config.file.is_some() && config.stdout.is_some());
}

#[test]
fn an_unknown_key_is_refused_in_every_section() {
    for text in ["sockett = 'x'", "[intake]\nurll = 'x'", "[file]\npath = '/x'\nmode = 1", "[stdout]\nx = 1"]
    {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
}

#[test]
fn without_an_output_nothing_starts() {
    assert!(matches!(Config::default().settle(), Err(InvalidConfig::NoOutput)));
}

#[test]
fn values_out_of_range_are_replaced_and_named() {
    let mut config = parse(
        "[file]\npath = '/x'\nmax_bytes = 0\nqueue_bytes = 5\n[stdout]\nqueue_bytes = 0\n[intake]\nqueue_bytes = 1\nbatch_wait = '11s'\n\
         batch_max_size = 1001\nbatch_max_content_size = 0\nsender_backoff_factor = 1.9\n\
         sender_backoff_base = '0s'\nsender_backoff_max = '0s'\nsender_recovery_interval = 0\n\
         compression_level = 10\nzstd_compression_level = 0\nbatch_max_concurrent_send = 1000\ntimeout = '0s'",
    );
    let keys: Vec<_> = config.settle().unwrap().into_iter().map(|correction| correction.key).collect();
    assert_eq!(keys.len(), 15, "{keys:?}");
    let expected = IntakeConfig::default();
    assert_eq!(config.intake.as_ref(), Some(&expected));
    assert_eq!(config.settle().unwrap(), []);
}

#[test]
fn a_key_that_is_gone_says_what_took_its_place() {
    for text in ["queue_max_bytes = 5\n[stdout]", "queue_max_bytes = 'many'\n[stdout]"] {
        let error = parse(text).settle().unwrap_err().to_string();
        assert!(
            error.contains("queue_max_bytes is gone") && error.contains("queue_bytes in [intake]"),
            "{error}"
        );
    }
}

#[test]
fn payloads_need_an_output_that_they_wait_for() {
    let mut config = parse("[stdout]\nreliable = false\n[file]\npath = '/x'\nreliable = false");
    assert!(matches!(config.settle(), Err(InvalidConfig::NoReliableOutput)));
    parse("[stdout]\nreliable = false\n[file]\npath = '/x'").settle().unwrap();
}
