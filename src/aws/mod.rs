//! The only place that knows the AWS SDK.

mod call;
mod connection;
mod parameter;
mod registry;

pub use call::Deadline;
pub use connection::{CertificatesUnusable, Connection};
pub use parameter::ConfigurationParameter;
pub use registry::{RegistryClient, Unreachable};
