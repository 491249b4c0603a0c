//! The only place that knows the AWS SDK.

mod call;
mod configuration;
mod connection;
mod http;
mod pacer;
mod parameter;
mod queue;
mod rate;
mod registry;
mod timing;

pub use call::Deadline;
pub use configuration::ConfigurationParameter;
pub use connection::Connection;
#[cfg(feature = "cli")]
pub use connection::Origin;
pub use http::CertificatesUnusable;
pub use parameter::{ParameterClient, Stored};
pub use queue::WorkQueue;
pub use registry::{Page, RegistryClient, Unlisted, Unreachable};
pub use timing::{Calls, timed};
