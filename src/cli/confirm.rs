//! A question to the user.

use std::io::{Write, stderr, stdin};

use anyhow::Context;
use tokio::{select, signal::ctrl_c, task::spawn_blocking};

/// Whether the user says yes. An interruption is a no.
pub(crate) async fn confirm(question: &str) -> anyhow::Result<bool> {
    write!(stderr(), "\n{question} [y/N] ")?;
    let answer = spawn_blocking(|| {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = select! {
        answer = answer => answer?.context("the answer cannot be read")?,
        _ = ctrl_c() => String::new(),
    };
    writeln!(stderr())?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
