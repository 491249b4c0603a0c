//! The function from outside: the real `bootstrap` process between a Lambda Runtime API and the
//! AWS services, all of them on loopback, so that every byte goes over the wire.
//!
//! `runtime` plays Lambda, `aws` plays ECR, SSM and SQS, `stage` puts both around one process, and
//! `scenario` says what one event should lead to. The other modules are the tests, by theme.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of these tests fail a test by panicking"
)]

use support::{aws, event};

mod architecture;
mod certificates;
mod change;
mod configuration;
mod creation;
mod document;
mod drift;
mod exposure;
mod failures;
mod guide;
mod journal;
mod living;
mod messages;
mod optout;
mod parameter;
mod permissions;
mod prepared;
mod regions;
mod runtime;
mod scenario;
mod source;
mod spread;
mod stage;
mod sweep;
mod templates;
