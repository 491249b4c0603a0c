//! ECR: the policies and tags of a registry's repositories.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_config::Region;
use aws_sdk_ecr::{
    Client, Config,
    error::ProvideErrorMetadata,
    operation::{
        delete_repository_policy::DeleteRepositoryPolicyError, get_repository_policy::GetRepositoryPolicyError,
        list_tags_for_resource::ListTagsForResourceError, set_repository_policy::SetRepositoryPolicyError,
    },
};

use super::{
    call::{Call, Deadline},
    connection::{Connection, retry_partition},
};
use crate::{configuration::Tags, error::Error, policy::document::Document, repository::Repository};

/// ECR in every Region.
#[derive(Debug)]
pub struct RegistryClient {
    connection: Connection,
    by_region: Mutex<HashMap<String, Client>>,
}

/// Why there is no answer about a repository.
#[derive(Debug, PartialEq)]
pub enum Unreachable {
    /// The repository does not exist, or no longer.
    Gone,
    /// The call failed.
    Failed(Error),
}

impl From<Error> for Unreachable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl RegistryClient {
    /// A client that makes its first call only when it is asked to.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection, by_region: Mutex::default() }
    }

    /// The repository's policy, as ECR words it; `None` where it has none.
    ///
    /// # Errors
    /// Where the repository is gone, or the call fails.
    pub async fn policy(&self, repository: &Repository, deadline: Deadline) -> Result<Option<String>, Unreachable> {
        let call = Call::new("ecr:GetRepositoryPolicy", repository.arn(), deadline);
        let answer = self
            .client(repository)
            .get_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name())
            .customize()
            .config_override(Config::builder().timeout_config(call.timeouts()))
            .interceptor(call.watch::<GetRepositoryPolicyError>())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.policy_text),
            Err(error) => match error.as_service_error() {
                Some(GetRepositoryPolicyError::RepositoryPolicyNotFoundException(_)) => Ok(None),
                Some(GetRepositoryPolicyError::RepositoryNotFoundException(_)) => Err(Unreachable::Gone),
                _ => Err(call.explain(&error).into()),
            },
        }
    }

    /// Writes the repository's policy, as a whole and never by `force`.
    ///
    /// # Errors
    /// Where the repository is gone, ECR refuses the policy, or the call fails.
    pub async fn set_policy(
        &self,
        repository: &Repository,
        policy: &Document,
        deadline: Deadline,
    ) -> Result<(), Unreachable> {
        let call = Call::new("ecr:SetRepositoryPolicy", repository.arn(), deadline);
        let answer = self
            .client(repository)
            .set_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name())
            .policy_text(policy.to_text())
            .customize()
            .config_override(Config::builder().timeout_config(call.timeouts()))
            .interceptor(call.watch::<SetRepositoryPolicyError>())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(SetRepositoryPolicyError::RepositoryNotFoundException(_)) => Unreachable::Gone,
                Some(refusal) if is_refusal(refusal) => Unreachable::Failed(Error::PolicyRejected {
                    repository: repository.arn(),
                    reason: format!("ECR refuses the policy: {}", refusal.message().unwrap_or("without a reason")),
                    remedy: "check that every account, role and user in it exists, and that the function's role may \
                             still set the policy under it"
                        .to_owned(),
                }),
                _ => call.explain(&error).into(),
            }),
        }
    }

    /// Deletes the repository's policy. One that is gone already is as good.
    ///
    /// # Errors
    /// Where the repository is gone, or the call fails.
    pub async fn delete_policy(&self, repository: &Repository, deadline: Deadline) -> Result<(), Unreachable> {
        let call = Call::new("ecr:DeleteRepositoryPolicy", repository.arn(), deadline);
        let answer = self
            .client(repository)
            .delete_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name())
            .customize()
            .config_override(Config::builder().timeout_config(call.timeouts()))
            .interceptor(call.watch::<DeleteRepositoryPolicyError>())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteRepositoryPolicyError::RepositoryPolicyNotFoundException(_)) => Ok(()),
                Some(DeleteRepositoryPolicyError::RepositoryNotFoundException(_)) => Err(Unreachable::Gone),
                _ => Err(call.explain(&error).into()),
            },
        }
    }

    /// The repository's tags.
    ///
    /// # Errors
    /// Where the repository is gone, or the call fails.
    pub async fn tags(&self, repository: &Repository, deadline: Deadline) -> Result<Tags, Unreachable> {
        let call = Call::new("ecr:ListTagsForResource", repository.arn(), deadline);
        let answer = self
            .client(repository)
            .list_tags_for_resource()
            .resource_arn(repository.arn())
            .customize()
            .config_override(Config::builder().timeout_config(call.timeouts()))
            .interceptor(call.watch::<ListTagsForResourceError>())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()),
            Err(error) => match error.as_service_error() {
                Some(ListTagsForResourceError::RepositoryNotFoundException(_)) => Err(Unreachable::Gone),
                _ => Err(call.explain(&error).into()),
            },
        }
    }

    /// The client of the repository's Region, whichever the function itself runs in.
    fn client(&self, repository: &Repository) -> Client {
        let region = repository.registry().region();
        let mut by_region = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        let client = by_region.entry(region.to_owned()).or_insert_with(|| {
            let config = aws_sdk_ecr::config::Builder::from(&self.connection.config);
            let config = config.region(Region::new(region.to_owned())).retry_partition(retry_partition());
            Client::from_conf(config.build())
        });
        client.clone()
    }
}

/// Whether ECR says that the policy itself is wrong. Some of its refusals have no type of their own.
fn is_refusal(error: &SetRepositoryPolicyError) -> bool {
    matches!(
        error.code(),
        Some("InvalidParameterException" | "ValidationException" | "MalformedPolicyDocumentException")
    )
}
