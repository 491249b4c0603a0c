//! The only place that knows the AWS SDK.

mod call;
mod configuration;
mod connection;
mod pacer;
mod parameter;
mod queue;
mod rate;
mod registry;

pub use call::Deadline;
pub use configuration::ConfigurationParameter;
pub use connection::{CertificatesUnusable, Connection, Origin};
pub use parameter::{ParameterClient, Stored};
pub use queue::WorkQueue;
pub use registry::{Page, RegistryClient, Unreachable};
