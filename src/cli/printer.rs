//! All that the command line prints: results to stdout, everything else to stderr.

use std::{cell::RefCell, fmt::Display, io::Write, time::Duration};

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use ecr_autopolicy::finding::{Finding, Severity};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Output;

/// How often the progress is drawn, though nothing moves.
const TICK: Duration = Duration::from_millis(250);

/// Owns both streams. Colours come only to a terminal, and never where `NO_COLOR` is set.
pub(crate) struct Printer {
    output: Output,
    bar: RefCell<ProgressBar>,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, bar: RefCell::new(ProgressBar::hidden()) }
    }

    /// Prints the result: its text, or the object as JSON.
    pub(crate) fn result(&self, text: impl FnOnce() -> String, object: &impl Serialize) -> anyhow::Result<()> {
        match self.output {
            Output::Text => self.say(text().trim_end()),
            Output::Json => self.json(object),
        }
    }

    /// Whether programs read the result.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints an object as JSON, whatever the format asked for.
    pub(crate) fn json(&self, object: &impl Serialize) -> anyhow::Result<()> {
        self.say(&serde_json::to_string_pretty(object)?)
    }

    /// Begins a result that is a list under that name and something after it. Nothing of the list is kept.
    pub(crate) fn list(&self, name: &'static str) -> List<'_> {
        List { printer: self, name, items: 0, apart: true }
    }

    /// Says something beside the result.
    pub(crate) fn note(&self, text: impl Display) {
        self.bar.borrow().suspend(|| eprintln!("{text}"));
    }

    /// Says why the command failed.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        let style = AnsiColor::Red.on_default().bold();
        self.note(format!("{style}error{style:#}: {error:#}"));
    }

    /// Shows how far the work is, with its rate and the time left, on stderr where that is a terminal.
    pub(crate) fn start_progress(&self, total: usize) {
        let bar = ProgressBar::with_draw_target(u64::try_from(total).ok(), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}, {per_sec}, {eta} left");
        bar.enable_steady_tick(TICK);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.replace(bar);
    }

    /// One more is done.
    pub(crate) fn progress(&self) {
        self.bar.borrow().inc(1);
    }

    /// Takes the progress away.
    pub(crate) fn end_progress(&self) {
        self.bar.borrow().finish_and_clear();
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        self.print(&format!("{text}\n"))
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        // A reader that has seen enough and closed the pipe is no failure, and no reason to stop half-way.
        match self.bar.borrow().suspend(|| write!(anstream::stdout(), "{text}")) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// A result that is printed as it comes.
pub(crate) struct List<'a> {
    printer: &'a Printer,
    name: &'static str,
    items: usize,
    /// Whether what follows stands apart from what was printed last.
    apart: bool,
}

impl List<'_> {
    /// Prints one item: its text, or the object as JSON.
    pub(crate) fn item(&mut self, text: impl FnOnce() -> String, object: &impl Serialize) -> anyhow::Result<()> {
        if !self.printer.is_json() {
            let text = text();
            self.apart = text.ends_with('\n');
            return self.printer.say(&text);
        }
        let before = if self.items == 0 { self.head() } else { ",\n".to_owned() };
        self.items += 1;
        self.printer.print(&format!("{before}    {}", serde_json::to_string(object)?))
    }

    /// Prints one item for programs alone.
    pub(crate) fn json_item(&mut self, object: &impl Serialize) -> anyhow::Result<()> {
        if self.printer.is_json() { self.item(String::new, object) } else { Ok(()) }
    }

    /// Prints what comes after the list: its text, or the object's fields as JSON.
    pub(crate) fn end(self, text: impl FnOnce() -> String, rest: &impl Serialize) -> anyhow::Result<()> {
        if !self.printer.is_json() {
            let apart = if self.apart { "" } else { "\n" };
            return self.printer.say(&format!("{apart}{}", text().trim_end()));
        }
        let mut end = if self.items == 0 { self.head() } else { "\n".to_owned() } + "  ]";
        if let Value::Object(rest) = serde_json::to_value(rest)? {
            end += &fields(&rest)?;
        }
        self.printer.say(&(end + "\n}"))
    }

    fn head(&self) -> String {
        format!("{{\n  \"{}\": [\n", self.name)
    }
}

/// Fields of an object after others, two columns in.
fn fields(rest: &Map<String, Value>) -> anyhow::Result<String> {
    let mut text = String::new();
    for (key, value) in rest {
        let value = serde_json::to_string_pretty(value)?.replace('\n', "\n  ");
        text += &format!(",\n  \"{key}\": {value}");
    }
    Ok(text)
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

/// `1 error`, `2 errors`, `1 repository`, `2 repositories`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}
