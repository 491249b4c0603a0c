//! Gives a new ECR repository the policy that an SSM parameter holds; statements of others stay as they are.
//!
//! As one begins: the defaults of the SDK, of Lambda's runtime and of cargo's release profile.

mod function;

use lambda_runtime::{Error, run, service_fn, tracing};

use function::Function;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let function = Function::new(aws_sdk_ssm::Client::new(&config), aws_sdk_ecr::Client::new(&config))?;
    run(service_fn(|event| function.handle(event))).await
}
