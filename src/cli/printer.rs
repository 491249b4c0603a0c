//! All that the command line prints: results to stdout, everything else to stderr.

use std::{fmt::Display, io::Write};

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use ecr_autopolicy::finding::{Finding, Severity};
use serde::Serialize;

use crate::args::Output;

/// Owns both streams. Colours come only to a terminal, and never where `NO_COLOR` is set.
pub(crate) struct Printer {
    output: Output,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    /// Prints the result: its text, or the object as JSON.
    pub(crate) fn result(&self, text: impl FnOnce() -> String, object: &impl Serialize) -> anyhow::Result<()> {
        match self.output {
            Output::Text => {
                println!("{}", text().trim_end());
                Ok(())
            }
            Output::Json => self.json(object),
        }
    }

    /// Whether programs read the result.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints an object as JSON, whatever the format asked for.
    pub(crate) fn json(&self, object: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(object)?;
        // A reader that has seen enough and closed the pipe is no failure.
        match writeln!(anstream::stdout(), "{text}") {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Says something beside the result.
    pub(crate) fn note(&self, text: impl Display) {
        eprintln!("{text}");
    }

    /// Says why the command failed.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        let style = AnsiColor::Red.on_default().bold();
        eprintln!("{style}error{style:#}: {error:#}");
    }
}

/// A finding as a compiler would print it.
pub(crate) fn finding(finding: &Finding, source: &str) -> String {
    let style = match finding.severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
    };
    let faint = Style::new().dimmed();
    let mut text = format!("{style}{}{style:#}: {}\n", finding.severity, finding.message);
    let position = finding.position.map(|position| format!(":{}:{}", position.line, position.column));
    let pointer = match finding.place.pointer() {
        "" => String::new(),
        pointer => format!(" {faint}{pointer}{faint:#}"),
    };
    text += &format!("  at {source}{}{pointer}\n", position.unwrap_or_default());
    if let Some(hint) = &finding.hint {
        text += &format!("  hint: {hint}\n");
    }
    text
}

/// `1 error`, `2 errors`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
