//! `measure FILE COMMAND [ARGUMENT]…` runs a command, and writes to the file what it took.
//!
//! A process of its own, since the kernel counts into a command's peak memory what the one that starts it has.

use std::{
    env, fs,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context;
use serde_json::json;
use wait4::Wait4;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().context("no file")?;
    let command = arguments.next().context("no command")?;
    let start = Instant::now();
    let ended = Command::new(&command)
        .args(arguments)
        .spawn()
        .with_context(|| format!("cannot start `{}`", command.display()))?
        .wait4()?;
    let took = json!({
        "seconds": start.elapsed().as_secs_f64(),
        "cpu_seconds": (ended.rusage.utime + ended.rusage.stime).as_secs_f64(),
        "peak_bytes": ended.rusage.maxrss,
    });
    fs::write(file, took.to_string())?;
    let code = ended.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
