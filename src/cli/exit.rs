//! How the process ends.

use std::process::{ExitCode, Termination};

/// The exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: all is well.
    Success,
    /// 1: something is wrong, with what the user wrote or with what was done.
    Failure,
    /// 2: there are differences, and the user asked to be told by the status.
    Difference,
    /// 130: the user interrupted it, as shells have it.
    Interrupted,
}

impl Exit {
    /// What a command line that was not understood, or asked for help, ends with.
    pub(crate) fn of_usage(error: &clap::Error) -> Self {
        // There is nowhere left to complain to where this cannot be printed.
        let _ = error.print();
        if error.use_stderr() { Self::Failure } else { Self::Success }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::Failure => ExitCode::FAILURE,
            Self::Difference => ExitCode::from(2),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}
