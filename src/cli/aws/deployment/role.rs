//! IAM: what a role may do, by IAM's own simulation.

use aws_sdk_iam::{
    Client,
    types::{EvaluationResult, PolicyEvaluationDecisionType},
};

use super::{Inspector, Seen};

/// Something that a role may not do, or perhaps not.
pub(crate) struct Refusal {
    pub(crate) action: String,
    pub(crate) by: By,
}

/// What refuses it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Nothing allows it.
    Silence,
    /// A statement denies it.
    Statement,
    /// The role's permissions boundary does not allow it.
    Boundary,
    /// A policy of the organization does not allow it.
    Organization,
    /// A condition, perhaps: the simulation lacks the values that a real call has.
    Condition,
}

impl Inspector {
    /// Which of these actions the role may not do on the resource.
    pub(crate) async fn refusals(&self, role: &str, actions: &[&str], resource: &str) -> Seen<Vec<Refusal>> {
        let request = Client::new(&self.config).simulate_principal_policy().policy_source_arn(role);
        let actions = actions.iter().map(ToString::to_string).collect();
        let call = request.set_action_names(Some(actions)).resource_arns(resource).send();
        let answer = self.look("iam:SimulatePrincipalPolicy", call).await?;
        Ok(answer.map(|answer| answer.evaluation_results.unwrap_or_default().into_iter().filter_map(refusal).collect()))
    }
}

fn refusal(result: EvaluationResult) -> Option<Refusal> {
    let boundary = result.permissions_boundary_decision_detail.as_ref();
    let organization = result.organizations_decision_detail.as_ref();
    let by = match result.eval_decision {
        PolicyEvaluationDecisionType::Allowed => return None,
        _ if organization.is_some_and(|detail| !detail.allowed_by_organizations) => By::Organization,
        _ if boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary) => By::Boundary,
        _ if !result.missing_context_values().is_empty() => By::Condition,
        PolicyEvaluationDecisionType::ExplicitDeny => By::Statement,
        _ => By::Silence,
    };
    Some(Refusal { action: result.eval_action_name, by })
}
