//! Results on standard output, everything else on standard error.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use blip_core::error_chain;

/// The exit status of a program: 0, or 1 with one line on standard error that says what was wrong; 2 if that was the
/// [`Usage`].
///
/// A closed standard output (`caption … | head`) is no error.
pub fn exit(result: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            let closed = error
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
            if closed {
                return ExitCode::SUCCESS;
            }
            eprintln!("error: {}", error_chain(error.as_ref()));
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Flags that make no sense together, which no flag's own parser can see.
#[derive(Debug)]
pub struct Usage(
    /// What is wrong, naming the flags.
    pub String,
);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Standard output, which may be closed before the program ends.
pub struct Output(io::Stdout);

impl Output {
    /// Standard output.
    pub fn new() -> Self {
        Self(io::stdout())
    }

    /// Writes a line and shows it at once.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.0, "{line}")?;
        self.0.flush()
    }

    /// Writes a part of a line and shows it at once.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub fn piece(&mut self, piece: &str) -> io::Result<()> {
        write!(self.0, "{piece}")?;
        self.0.flush()
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}
