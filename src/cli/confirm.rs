//! A question to the user.

use std::{
    io::{Write, stderr, stdin},
    ops::ControlFlow,
};

use anyhow::Context;
use tokio::{select, signal::ctrl_c, task::spawn_blocking};

use crate::exit::Exit;

/// Goes on where the user says yes; else it is how the command ends.
pub(crate) async fn confirm(question: &str) -> anyhow::Result<ControlFlow<Exit>> {
    write!(stderr(), "\n{question} [y/N] ")?;
    let answer = spawn_blocking(|| {
        let mut answer = String::new();
        stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = select! {
        answer = answer => answer?.context("the answer cannot be read")?,
        _ = ctrl_c() => {
            writeln!(stderr())?;
            return Ok(ControlFlow::Break(Exit::Interrupted));
        }
    };
    writeln!(stderr())?;
    Ok(match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => ControlFlow::Continue(()),
        _ => ControlFlow::Break(Exit::Failure),
    })
}
