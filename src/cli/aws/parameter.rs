//! SSM: writing the parameter. The function only ever reads it.

use anyhow::Context;
use aws_sdk_ssm::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata,
    types::{ParameterTier, ParameterType},
};

use super::Aws;
use crate::source::PARAMETER_PATIENCE;

/// Attempts to write, where SSM refuses for the number of calls or fails.
const ATTEMPTS: u32 = 8;

/// What fits into a parameter of the standard tier, in bytes (SSM `PutParameter`, `Value`).
const STANDARD: usize = 4096;

/// Writes the parameter, and gives its new version. Its type stays; its tier is the cheapest that the value fits into.
pub(crate) async fn write(aws: &Aws, name: &str, value: &str, kind: &str, key_id: Option<&str>) -> anyhow::Result<i64> {
    let config = aws_sdk_ssm::config::Builder::from(aws.connection.sdk_config())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().operation_timeout(PARAMETER_PATIENCE).build());
    // An advanced parameter cannot become a standard one again, which the third choice respects.
    let tier = if value.len() > STANDARD { ParameterTier::Advanced } else { ParameterTier::IntelligentTiering };
    let answer = Client::from_conf(config.build())
        .put_parameter()
        .name(name)
        .value(value)
        .r#type(ParameterType::from(kind))
        .tier(tier)
        .set_key_id(key_id.map(str::to_owned))
        .overwrite(true)
        .send()
        .await;
    let answer = answer.map_err(|error| match (error.code(), error.message()) {
        (Some(code), Some(message)) => anyhow::anyhow!("{code}: {message}"),
        _ => anyhow::Error::from(error),
    });
    Ok(answer.with_context(|| format!("`ssm:PutParameter` on `{name}` failed"))?.version)
}
