//! The command line, whole commands at a time: what they print to which stream, how they end, and what they ask AWS.
//!
//! `stage` plays AWS around a command, `terminal` puts one on a terminal, and `json` holds every JSON output against
//! its schema. The other modules are the tests, by command or by theme; each is a line or two of what is typed, and a
//! snapshot of all that came of it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of these tests fail a test by panicking"
)]

use std::{collections::BTreeMap, io::Write, process::Stdio};

use support::{aws, configurations, documents};

mod stage;

/// Runs a command that needs no AWS in the folder of examples, with `input` on its standard input.
fn run(arguments: &str, input: &str) -> String {
    let mut child = stage::command(arguments, &stage::examples(), &BTreeMap::new())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    if arguments.contains("--output json") && !stdout.is_empty() {
        json::check_output(arguments, &stdout);
    }
    let stream = |name: &str, text: String| match text {
        text if text.is_empty() => String::new(),
        text => format!("--- {name} ---\n{text}"),
    };
    format!("exit {code}\n{}{}", stream("stdout", stdout), stream("stderr", String::from_utf8(output.stderr).unwrap()))
}

/// A command that needs no AWS.
macro_rules! command {
    ($name:ident, $arguments:literal) => {
        command!($name, $arguments, "");
    };
    ($name:ident, $arguments:literal, $input:literal) => {
        #[test]
        fn $name() {
            insta::with_settings!({ description => $arguments, omit_expression => true }, {
                insta::assert_snapshot!(crate::run($arguments, $input));
            });
        }
    };
}

/// Commands one after the other on a stage.
macro_rules! session {
    ($name:ident, $stage:expr, $($arguments:literal),+ $(,)?) => {
        #[test]
        fn $name() {
            let stage: crate::stage::Stage = $stage;
            let told = [$(stage.run($arguments).told()),+];
            snapshot!(told.join("\n"));
        }
    };
}

/// A snapshot of what was told.
macro_rules! snapshot {
    ($told:expr) => {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!($told);
        })
    };
}

mod apply;
mod check;
mod clear;
mod doctor;
mod failures;
mod handle;
mod help;
mod interruption;
mod json;
mod law;
mod plan;
mod push;
mod render;
mod saved;
mod schema;
mod show;
mod templates;
mod terminal;
