//! Where the reporter sends events, as the command line writes it.

use std::path::PathBuf;
use std::str::FromStr;

/// The output of a reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Lines on the standard output of `shrike run`.
    Stdout,
    /// Lines in a file that is rotated.
    File(PathBuf),
    /// A logs intake.
    Intake(String),
}

/// Why an output is refused.
#[derive(Debug, thiserror::Error)]
#[error("an output is stdout, file=/path or intake=https://host")]
pub(crate) struct OutputError;

impl FromStr for Output {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Self, OutputError> {
        match text.split_once('=') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", path)) if !path.is_empty() => {
                // The reporter may run in another directory than the command line.
                std::path::absolute(path).map(Self::File).map_err(|_no_current_directory| OutputError)
            }
            Some(("intake", url)) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Self::Intake(url.to_owned()))
            }
            _ => Err(OutputError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_outputs_are_understood_and_a_file_becomes_absolute() {
        assert_eq!("stdout".parse::<Output>().unwrap(), Output::Stdout);
        assert!(matches!("file=x".parse::<Output>().unwrap(), Output::File(path) if path.is_absolute()));
        let intake = "intake=https://example.com/?a=b".parse::<Output>().unwrap();
        assert_eq!(intake, Output::Intake("https://example.com/?a=b".into()));
    }

    #[test]
    fn anything_else_is_refused_with_what_exists() {
        for text in ["", "file=", "intake=example.com", "syslog"] {
            assert!(text.parse::<Output>().unwrap_err().to_string().contains("intake=https://"));
        }
    }
}
