//! What tests of several kinds need: AWS on loopback, the events of CloudTrail and Lambda, and random documents and
//! configurations.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail a test by panicking"
)]

pub mod aws;
pub mod configurations;
pub mod documents;
pub mod door;
pub mod event;
