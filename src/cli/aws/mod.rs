//! How the command line reaches AWS, as the AWS CLI does.

pub(crate) mod deployment;
pub(crate) mod parameter;

use anyhow::Context;
use aws_credential_types::provider::ProvideCredentials;
use ecr_autopolicy::{
    aws::{Connection, Origin},
    repository::Registry,
};

use crate::args::ConnectionArgs;

/// AWS, in the Region that the user means.
pub(crate) struct Aws {
    pub(crate) connection: Connection,
    pub(crate) region: String,
}

/// Finds Region and credentials before the first call is made, so that what is missing is said at once.
pub(crate) async fn connect(args: &ConnectionArgs) -> anyhow::Result<Aws> {
    let origin =
        Origin { ca_bundle: args.ca_bundle.clone(), profile: args.profile.clone(), region: args.region.clone() };
    let connection = Connection::open(origin).await?;
    let region = connection.sdk_config().region().map(ToString::to_string);
    let region = region.context("no Region; pass `--region`, set `AWS_REGION`, or name one in your AWS profile")?;
    Registry::new(Registry::sample().id(), &region)?;
    let provider = connection.sdk_config().credentials_provider().context(NO_CREDENTIALS)?;
    provider.provide_credentials().await.map_err(|error| reason(&error)).context(NO_CREDENTIALS)?;
    Ok(Aws { connection, region })
}

const NO_CREDENTIALS: &str = "no AWS credentials; pass `--profile`, sign in with `aws sso login`, or set \
                              `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`";

/// The causes alone: the error itself only says that there were none.
fn reason(error: &dyn std::error::Error) -> anyhow::Error {
    let causes = std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
    let causes = causes.collect::<Vec<_>>().join(": ");
    anyhow::anyhow!(if causes.is_empty() { error.to_string() } else { causes })
}
