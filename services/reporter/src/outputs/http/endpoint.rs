//! One intake: where it is, with which key, and whether anybody waits for it.

use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use crate::config::{InvalidConfig, Secret};

/// Host name before the site.
const HOST_PREFIX: &str = "runtime-security-http-intake.logs.";
/// Path before the track.
const PATH_PREFIX: &str = "/api/v2/";

/// What takes the events behind the address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// The events of this product.
    #[default]
    Secruntime,
    /// Ordinary logs.
    Logs,
}

impl Track {
    fn name(self) -> &'static str {
        match self {
            Self::Secruntime => "secruntime",
            Self::Logs => "logs",
        }
    }
}

/// An additional endpoint, `[[intake.additional_endpoints]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointConfig {
    /// Base URL of the intake, `https://host[:port]`; the path of the track is added.
    pub url: Option<String>,
    /// Instead of `url`: the site.
    pub site: Option<String>,
    /// File that holds the API key and nothing else.
    #[serde(deserialize_with = "bootstrap::config::maybe_absolute")]
    pub api_key_file: Option<PathBuf>,
    /// Name of the environment variable that holds the API key.
    #[serde(deserialize_with = "bootstrap::config::maybe_variable")]
    pub api_key_env: Option<String>,
    /// Never used: recognised only to be refused without printing it.
    pub api_key: Option<Secret>,
    /// Whether payloads wait for it; when not, a full queue drops. Default true.
    pub is_reliable: Option<bool>,
    /// Default: that of the main endpoint.
    pub track: Option<Track>,
}

/// An endpoint that can be used.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What its output is called.
    pub name: &'static str,
    /// Whether payloads wait for it.
    pub is_reliable: bool,
    /// Where batches are posted.
    pub url: Url,
    /// Where its key is.
    pub key: KeySource,
}

/// Where an API key is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, which may be replaced while the reporter runs.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

impl Endpoint {
    /// Checks what types cannot; `place` is where it stands in the configuration, `main` says what `config` does not.
    pub(crate) fn new(
        name: &'static str,
        place: &str,
        config: &EndpointConfig,
        main: &EndpointConfig,
    ) -> Result<Self, InvalidConfig> {
        let track = config.track.or(main.track).unwrap_or_default();
        let url = match (&config.url, &config.site) {
            (Some(url), None) => parse(&format!("{place}.url"), url, track)?,
            (None, Some(site)) => {
                parse(&format!("{place}.site"), &format!("https://{HOST_PREFIX}{}", site.trim()), track)?
            }
            (Some(_), Some(_)) => return Err(InvalidConfig::UrlOrSite(place.to_owned(), "both")),
            (None, None) => return Err(InvalidConfig::UrlOrSite(place.to_owned(), "neither")),
        };
        if config.api_key.is_some() {
            return Err(InvalidConfig::InlineApiKey(place.to_owned()));
        }
        let key = match (&config.api_key_file, &config.api_key_env) {
            (Some(path), None) => KeySource::File(path.clone()),
            (None, Some(name)) => KeySource::Variable(name.clone()),
            (Some(_), Some(_)) => return Err(InvalidConfig::ApiKeySource(place.to_owned(), "both")),
            (None, None) => return Err(InvalidConfig::ApiKeySource(place.to_owned(), "neither")),
        };
        Ok(Self { name, is_reliable: config.is_reliable.unwrap_or(true), url, key })
    }

    /// What it does, in the words that people know from elsewhere.
    #[must_use]
    pub fn status_line(&self, is_compressed: bool) -> String {
        format!(
            "{}: Sending {} logs in {} to {} on port {}",
            if self.is_reliable { "Reliable" } else { "Unreliable" },
            if is_compressed { "compressed" } else { "uncompressed" },
            if self.url.scheme() == "https" { "HTTPS" } else { "HTTP" },
            self.url.host_str().unwrap_or_default(),
            self.url.port_or_known_default().unwrap_or_default()
        )
    }

    /// True when the API key would cross a network that others can read.
    pub(crate) fn is_exposed(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let is_loopback = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.url.scheme() == "http" && !is_loopback
    }
}

impl KeySource {
    /// Reads the API key, as a header value that is never printed.
    ///
    /// # Errors
    /// When there is none, or it cannot be a header.
    pub fn read(&self) -> Result<HeaderValue, InvalidConfig> {
        match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| InvalidConfig::ApiKeyFile { path: path.clone(), source })?;
                api_key(&text, || path.display().to_string())
            }
            Self::Variable(name) => {
                let text = std::env::var(name).unwrap_or_default();
                api_key(&text, || format!("the environment variable {name}"))
            }
        }
    }
}

fn api_key(text: &str, place: impl FnOnce() -> String) -> Result<HeaderValue, InvalidConfig> {
    let text = text.trim();
    match HeaderValue::from_str(text) {
        Ok(mut key) if !text.is_empty() => {
            key.set_sensitive(true);
            Ok(key)
        }
        _ => Err(InvalidConfig::ApiKeyUnusable(place())),
    }
}

fn parse(key: &str, text: &str, track: Track) -> Result<Url, InvalidConfig> {
    let problem = |problem: &str| InvalidConfig::Address { key: key.to_owned(), problem: problem.to_owned() };
    // The text is not part of the message: it may hold credentials.
    let mut url = Url::parse(text.trim())
        .map_err(|error| problem(&format!("{error}; expected https://host[:port]")))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(problem("expected https://host[:port]"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("credentials do not belong in the address, the API key is the credential"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(problem("remove what follows the path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let of_track = format!("{PATH_PREFIX}{}", track.name());
    if !path.ends_with(&of_track) {
        url.set_path(&format!("{path}{of_track}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IntakeConfig;

    fn endpoint(url: Option<&str>, site: Option<&str>) -> Result<String, String> {
        let config = IntakeConfig {
            url: url.map(str::to_owned),
            site: site.map(str::to_owned),
            api_key_env: Some("KEY".to_owned()),
            ..IntakeConfig::default()
        };
        config.endpoints().map(|endpoints| endpoints[0].url.to_string()).map_err(|error| error.to_string())
    }

    fn refusal(text: &str) -> String {
        let config: IntakeConfig = toml::from_str(text).unwrap();
        config.endpoints().unwrap_err().to_string()
    }

    #[test]
    fn the_address_follows_from_the_url_or_the_site() {
        assert_eq!(
            endpoint(None, Some("datadoghq.eu")).unwrap(),
            "https://runtime-security-http-intake.logs.datadoghq.eu/api/v2/secruntime"
        );
        assert_eq!(
            endpoint(Some("http://127.0.0.1:9"), None).unwrap(),
            "http://127.0.0.1:9/api/v2/secruntime"
        );
        assert_eq!(endpoint(Some("https://gate/dd/"), None).unwrap(), "https://gate/dd/api/v2/secruntime");
        assert_eq!(
            endpoint(Some("https://h/api/v2/secruntime"), None).unwrap(),
            "https://h/api/v2/secruntime"
        );
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused_without_its_credentials() {
        assert!(endpoint(None, None).unwrap_err().contains("neither"));
        assert!(endpoint(Some("https://h"), Some("s")).unwrap_err().contains("both"));
        for bad in
            ["h:443", "ftp://h", "https://", "https://h?x=1", "https://me:hunter2@h", "https://me:hunter2@"]
        {
            let error = endpoint(Some(bad), None).unwrap_err();
            assert!(error.starts_with("intake.url: ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn additional_endpoints_have_what_the_main_one_has_unless_they_say_otherwise() {
        let config: IntakeConfig = toml::from_str(
            "url = 'https://a'\napi_key_env = 'A'\ntrack = 'logs'\n\
             [[additional_endpoints]]\nsite = 'datadoghq.eu'\napi_key_env = 'B'\n\
             [[additional_endpoints]]\nurl = 'http://c:8080'\napi_key_env = 'C'\nis_reliable = false\ntrack = 'secruntime'\n",
        )
        .unwrap();
        let endpoints = config.endpoints().unwrap();
        let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name).collect();
        assert_eq!(names, ["intake", "intake_1", "intake_2"]);
        assert_eq!(
            endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect::<Vec<_>>(),
            [
                "https://a/api/v2/logs",
                "https://runtime-security-http-intake.logs.datadoghq.eu/api/v2/logs",
                "http://c:8080/api/v2/secruntime"
            ]
        );
        assert_eq!(
            endpoints.iter().map(|endpoint| endpoint.status_line(true)).collect::<Vec<_>>(),
            [
                "Reliable: Sending compressed logs in HTTPS to a on port 443",
                "Reliable: Sending compressed logs in HTTPS to runtime-security-http-intake.logs.datadoghq.eu on port 443",
                "Unreliable: Sending compressed logs in HTTP to c on port 8080"
            ]
        );
        assert_eq!(endpoints[1].key, KeySource::Variable("B".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_name_of_the_key_and_what_is_allowed() {
        let main = "url = 'https://a'\napi_key_env = 'A'\n";
        for (text, expected) in [
            (
                "[[additional_endpoints]]\nurl = 'x'\napi_key_env = 'B'",
                "intake.additional_endpoints[0].url: ",
            ),
            (
                "[[additional_endpoints]]\nurl = 'https://b'",
                "set one of intake.additional_endpoints[0].api_key_file",
            ),
            ("[[additional_endpoints]]\nurl = 'https://b'\napi_key = 'hunter2'", "put the key in a file"),
            ("force_use_http = true\nforce_use_tcp = true", "intake.force_use_http and intake.force_use_tcp"),
        ] {
            let error = refusal(&format!("{main}{text}"));
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let many = "[[additional_endpoints]]\nurl = 'https://b'\napi_key_env = 'B'\n".repeat(8);
        assert!(refusal(&format!("{main}{many}")).contains("at most 7"));
        let unknown = toml::from_str::<IntakeConfig>("compression_kind = 'lz4'").unwrap_err().to_string();
        for allowed in ["compression_kind", "gzip", "zstd", "none"] {
            assert!(unknown.contains(allowed), "{unknown}");
        }
        let unknown = toml::from_str::<IntakeConfig>("track = 'audit'").unwrap_err().to_string();
        assert!(unknown.contains("secruntime") && unknown.contains("logs"), "{unknown}");
    }

    #[test]
    fn settings_of_other_products_that_mean_nothing_here_are_named() {
        let text = "url = 'https://a'\napi_key_env = 'A'\nuse_tcp = true\nsocks5_proxy_address = 'p:1'";
        let config: IntakeConfig = toml::from_str(text).unwrap();
        assert_eq!(config.without_effect(), ["intake.use_tcp", "intake.socks5_proxy_address"]);
        config.endpoints().unwrap();
    }

    #[test]
    fn the_api_key_is_read_from_its_file_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, " 0123456789abcdef\n").unwrap();
        let source = KeySource::File(path.clone());
        let key = source.read().unwrap();
        assert_eq!(key.as_bytes(), b"0123456789abcdef");
        assert!(!format!("{key:?}").contains("0123"));

        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(source.read(), Err(InvalidConfig::ApiKeyUnusable(_))));
        std::fs::write(&path, "two\nlines-of-secret").unwrap();
        assert!(!source.read().unwrap_err().to_string().contains("lines-of-secret"));
        let absent = KeySource::File(dir.path().join("absent"));
        assert!(matches!(absent.read(), Err(InvalidConfig::ApiKeyFile { .. })));
    }

    #[test]
    fn a_key_or_a_proxy_password_in_the_configuration_is_not_printed() {
        let config: IntakeConfig =
            toml::from_str("api_key = 'hunter2'\nproxy = 'http://me:hunter2@proxy:3128'").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.endpoints().unwrap_err();
        assert!(matches!(error, InvalidConfig::InlineApiKey(_)) && !error.to_string().contains("hunter2"));
    }

    #[test]
    fn plain_http_is_exposed_beyond_this_machine() {
        let exposed = |url: &str| {
            let config = EndpointConfig {
                url: Some(url.to_owned()),
                api_key_env: Some("A".to_owned()),
                ..EndpointConfig::default()
            };
            Endpoint::new("intake", "intake", &config, &config).unwrap().is_exposed()
        };
        assert!(exposed("http://intake.example"));
        assert!(!exposed("https://intake.example"));
        assert!(
            !exposed("http://127.0.0.1:80") && !exposed("http://[::1]:80") && !exposed("http://localhost")
        );
    }
}
