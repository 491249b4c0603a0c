//! Gives a new ECR repository the policy that an SSM parameter holds; statements of others stay as they are.
//!
//! By the SDK with whatever makes it lighter, and with nothing of what ecr-autopolicy does besides: about the least that a
//! function on the SDK takes.

#[path = "../../sdk-defaults/src/function.rs"]
mod function;

use std::{env, fs};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_ecr::config::{BehaviorVersion, IdentityCache, StalledStreamProtectionConfig, retry::RetryConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_types::{SdkConfig, region::Region};
use lambda_runtime::{Error, run, service_fn};

use function::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().init();
    let config = config()?;
    let ssm = aws_sdk_ssm::config::Builder::from(&config).endpoint_url(env::var("AWS_ENDPOINT_URL_SSM")?).build();
    let ecr = aws_sdk_ecr::config::Builder::from(&config).endpoint_url(env::var("AWS_ENDPOINT_URL_ECR")?).build();
    let function = Function::new(aws_sdk_ssm::Client::from_conf(ssm), aws_sdk_ecr::Client::from_conf(ecr))?;
    // If it cannot be read ahead, the first event reads it.
    let _ = function.desired().await;
    run(service_fn(|event| function.handle(event))).await
}

/// Credentials and certificates are where this benchmark puts them, and nowhere else.
fn config() -> Result<SdkConfig, Error> {
    let mut store = TrustStore::empty();
    if let Some(bundle) = env::var_os("AWS_CA_BUNDLE") {
        store = store.with_pem_certificate(fs::read(bundle)?);
    }
    let context = TlsContext::builder().with_trust_store(store).build()?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    let [id, secret, token] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(env::var);
    let credentials = Credentials::new(id?, secret?, Some(token?), None, "Environment");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http);
    Ok(config.build())
}
