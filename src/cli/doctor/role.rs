//! May the function do what it has to?

use ecr_autopolicy::{
    finding::quoted,
    repository::{Registry, Repository},
};

use super::diagnosis::{Check, DELETED, Topic::Role as TOPIC};
use crate::aws::deployment::{By, Inspector};

/// Actions that the function calls on a resource.
pub(super) struct Need {
    pub(super) actions: Vec<&'static str>,
    pub(super) resource: String,
}

/// What the function does to bring a repository in line.
pub(super) fn repository_policies(registry: &Registry, tags: bool, sweeps: bool) -> Need {
    let mut actions = vec!["ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy"];
    actions.extend(tags.then_some("ecr:ListTagsForResource"));
    actions.extend(sweeps.then_some("ecr:DescribeRepositories"));
    Need { actions, resource: Repository::sample(registry).arn() }
}

/// What the function does to read the parameter of that name or ARN.
pub(super) fn parameter(registry: &Registry, name: &str) -> Need {
    let resource = if name.starts_with("arn:") {
        name.to_owned()
    } else {
        let (partition, region, id) = (registry.partition(), registry.region(), registry.id());
        format!("arn:{partition}:ssm:{region}:{id}:parameter/{}", name.trim_start_matches('/'))
    };
    Need { actions: vec!["ssm:GetParameter"], resource }
}

pub(super) async fn check(inspector: &Inspector, role: &str, needs: &[Need]) -> Vec<Check> {
    let name = role.rsplit('/').next().unwrap_or(role);
    let mut checks = Vec::new();
    for Need { actions, resource } in needs {
        let refusals = match inspector.refusals(role, actions, resource).await {
            Err(unseen) => {
                checks.push(Check::unseen(TOPIC, &unseen));
                break;
            }
            Ok(None) => {
                let found = format!("the role `{name}` does not exist");
                checks.push(Check::failed(TOPIC, found, DELETED));
                break;
            }
            Ok(Some(refusals)) => refusals,
        };
        for by in [By::Silence, By::Statement, By::Boundary, By::Organization, By::Condition] {
            let refused = refusals.iter().filter(|refusal| refusal.by == by).map(|refusal| &refusal.action);
            let refused = refused.collect::<Vec<_>>();
            if !refused.is_empty() {
                checks.push(judge(by, name, &format!("{} on `{resource}`", quoted(&refused))));
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok(TOPIC, format!("the role `{name}` may do all that the function does")));
    }
    checks
}

fn judge(by: By, role: &str, what: &str) -> Check {
    let failed = |may_not: &str, remedy| Check::failed(TOPIC, format!("the role `{role}` {may_not} {what}"), remedy);
    match by {
        By::Silence => {
            failed("has no policy that allows", "somebody changed the role; allow it again, or update the stack")
        }
        By::Statement => failed("has a policy that denies", "look for the `Deny` in the policies of the role"),
        By::Boundary => failed("has a permissions boundary that does not allow", "allow it in the boundary, too"),
        By::Organization => failed(
            "is in an organization that does not allow",
            "ask the organization's administrators to allow it in their service control policies",
        ),
        By::Condition => Check::unknown(TOPIC, format!("conditions decide whether the role `{role}` may call {what}")),
    }
}
