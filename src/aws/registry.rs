//! ECR: the policies and tags of a registry's repositories.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_ecr::{
    Client,
    config::Region,
    error::ProvideErrorMetadata,
    operation::{
        delete_repository_policy::DeleteRepositoryPolicyError, describe_repositories::DescribeRepositoriesError,
        get_repository_policy::GetRepositoryPolicyError, list_tags_for_resource::ListTagsForResourceError,
        set_repository_policy::SetRepositoryPolicyError,
    },
};

use super::{
    call::{Call, Deadline},
    connection::Connection,
    pacer::Pacer,
};
use crate::{configuration::Tags, error::Error, policy::document::Document, repository::Repository};

/// The most that `DescribeRepositories` puts on a page.
const PAGE: i32 = 1000;

/// ECR in every Region.
#[derive(Debug)]
pub struct RegistryClient {
    connection: Connection,
    by_region: Mutex<HashMap<String, Arc<Regional>>>,
}

/// ECR in one Region.
#[derive(Debug)]
struct Regional {
    client: Client,
    pacer: Pacer,
}

/// Part of the list of a registry's repositories.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// The registry's account id, where the page has a repository to tell it by.
    pub registry_id: Option<String>,
    /// The repositories' names.
    pub names: Vec<String>,
    /// Where the list goes on.
    pub next: Option<String>,
}

/// Why there is no answer about a repository.
#[derive(Debug, PartialEq)]
pub enum Unreachable {
    /// The repository does not exist, or no longer.
    Gone,
    /// The call failed.
    Failed(Error),
}

/// Why there is no page of the list.
#[derive(Debug, PartialEq)]
pub enum Unlisted {
    /// ECR does not know, or no longer, where the list was to go on.
    TokenUnknown(Error),
    /// The call failed.
    Failed(Error),
}

impl From<Unlisted> for Error {
    fn from(unlisted: Unlisted) -> Self {
        match unlisted {
            Unlisted::TokenUnknown(error) | Unlisted::Failed(error) => error,
        }
    }
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

    /// Opens a connection to ECR in a Region, for the first call to use.
    pub async fn connect(&self, region: &str) {
        let opener = aws_sdk_ecr::Config::builder().http_client(self.connection.http.opener());
        // The call that an event begins with, so that its code is at hand by then.
        let request = self.regional(region).client.get_repository_policy().repository_name("none");
        let _never_sent = request.customize().config_override(opener).send().await;
    }

    /// The repository's policy, as ECR words it; `None` where it has none.
    ///
    /// # Errors
    /// Where the repository is gone, or the call fails.
    pub async fn policy(&self, repository: &Repository, deadline: Deadline) -> Result<Option<String>, Unreachable> {
        let call = Call::new("ecr:GetRepositoryPolicy", repository.arn(), deadline);
        let regional = self.regional(repository.registry().region());
        let request = regional
            .client
            .get_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name());
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
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
        let regional = self.regional(repository.registry().region());
        let request = regional
            .client
            .set_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name())
            .policy_text(policy.to_text());
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(SetRepositoryPolicyError::RepositoryNotFoundException(_)) => Unreachable::Gone,
                Some(refusal) if is_refusal(refusal) => Unreachable::Failed(Error::PolicyRejected {
                    repository: repository.arn(),
                    reason: format!("ECR refuses the policy: {}", refusal.message().unwrap_or("without a reason")),
                    remedy: "check that every account, role and user in it exists, and that the role that writes may \
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
        let regional = self.regional(repository.registry().region());
        let request = regional
            .client
            .delete_repository_policy()
            .registry_id(repository.registry().id())
            .repository_name(repository.name());
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
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
        let regional = self.regional(repository.registry().region());
        let request = regional.client.list_tags_for_resource().resource_arn(repository.arn());
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
        match answer {
            Ok(answer) => Ok(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()),
            Err(error) => match error.as_service_error() {
                Some(ListTagsForResourceError::RepositoryNotFoundException(_)) => Err(Unreachable::Gone),
                _ => Err(call.explain(&error).into()),
            },
        }
    }

    /// A page of the list of the repositories in a Region: the first, or the one that `next` stands for. The registry is
    /// that of the account `registry_id`, else the caller's own.
    ///
    /// # Errors
    /// Where ECR does not know what `next` stands for, or the call fails.
    pub async fn page(
        &self,
        region: &str,
        registry_id: Option<&str>,
        next: Option<&str>,
        deadline: Deadline,
    ) -> Result<Page, Unlisted> {
        let all = format!("arn:*:ecr:{region}:{}:repository/*", registry_id.unwrap_or("*"));
        let call = Call::new("ecr:DescribeRepositories", all, deadline);
        let regional = self.regional(region);
        let request = regional.client.describe_repositories().max_results(PAGE);
        let request = request.set_registry_id(registry_id.map(str::to_owned)).set_next_token(next.map(str::to_owned));
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
        match answer {
            Ok(answer) => Ok(page(answer.repositories.unwrap_or_default(), answer.next_token)),
            Err(error) => Err(match error.as_service_error() {
                // Nothing else in the request could be wrong.
                Some(DescribeRepositoriesError::InvalidParameterException(_)) if next.is_some() => {
                    Unlisted::TokenUnknown(call.explain(&error))
                }
                _ => Unlisted::Failed(call.explain(&error)),
            }),
        }
    }

    /// The one repository of that name, as a page.
    ///
    /// # Errors
    /// Where there is no such repository, or the call fails.
    pub async fn named(
        &self,
        region: &str,
        registry_id: Option<&str>,
        name: &str,
        deadline: Deadline,
    ) -> Result<Page, Unreachable> {
        let call = Call::new("ecr:DescribeRepositories", name, deadline);
        let regional = self.regional(region);
        let request = regional.client.describe_repositories().repository_names(name);
        let request = request.set_registry_id(registry_id.map(str::to_owned));
        let answer = call.send(&regional.pacer, async || request.clone().send().await).await;
        match answer {
            Ok(answer) => Ok(page(answer.repositories.unwrap_or_default(), None)),
            Err(error) => match error.as_service_error() {
                Some(DescribeRepositoriesError::RepositoryNotFoundException(_)) => Err(Unreachable::Gone),
                _ => Err(call.explain(&error).into()),
            },
        }
    }

    /// ECR in a Region, whichever the function itself runs in.
    fn regional(&self, region: &str) -> Arc<Regional> {
        let mut by_region = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regional) = by_region.get(region) {
            return Arc::clone(regional);
        }
        let config = aws_sdk_ecr::config::Builder::from(&self.connection.config).region(Region::new(region.to_owned()));
        let regional = Arc::new(Regional { client: Client::from_conf(config.build()), pacer: Pacer::new() });
        by_region.insert(region.to_owned(), Arc::clone(&regional));
        regional
    }
}

fn page(repositories: Vec<aws_sdk_ecr::types::Repository>, next: Option<String>) -> Page {
    Page {
        registry_id: repositories.iter().find_map(|repository| repository.registry_id.clone()),
        names: repositories.into_iter().filter_map(|repository| repository.repository_name).collect(),
        next,
    }
}

/// Whether ECR says that the policy itself is wrong. Some of its refusals have no type of their own.
fn is_refusal(error: &SetRepositoryPolicyError) -> bool {
    matches!(
        error.code(),
        Some("InvalidParameterException" | "ValidationException" | "MalformedPolicyDocumentException")
    )
}
