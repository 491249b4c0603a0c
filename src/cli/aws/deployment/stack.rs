//! CloudFormation: the stack and what it is made of.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::{
    Client,
    types::{Output, ResourceStatus, StackResource},
};

use super::{Inspector, Seen};

/// A stack.
pub(crate) struct Stack {
    /// As `UPDATE_COMPLETE`.
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) outputs: BTreeMap<String, String>,
}

/// Something that a stack has made.
pub(crate) struct Resource {
    /// Its name in the template.
    pub(crate) logical_id: String,
    pub(crate) physical_id: String,
    /// As `AWS::SQS::Queue`.
    pub(crate) kind: String,
    /// The ARN of the stack.
    pub(crate) stack_arn: String,
}

impl Inspector {
    /// The stack of that name.
    pub(crate) async fn stack(&self, name: &str) -> Seen<Stack> {
        let call = Client::new(&self.config).describe_stacks().stack_name(name).send();
        let answer = self.look("cloudformation:DescribeStacks", call).await?;
        let stack = answer.and_then(|answer| answer.stacks.unwrap_or_default().into_iter().next());
        Ok(stack.map(|stack| Stack {
            status: stack.stack_status.map(|status| status.to_string()).unwrap_or_default(),
            reason: stack.stack_status_reason.filter(|reason| !reason.is_empty()),
            outputs: stack.outputs.unwrap_or_default().into_iter().filter_map(output).collect(),
        }))
    }

    /// What the stack of that name has made, and not deleted again.
    pub(crate) async fn resources(&self, stack: &str) -> Seen<Vec<Resource>> {
        let call = Client::new(&self.config).describe_stack_resources().stack_name(stack).send();
        let answer = self.look("cloudformation:DescribeStackResources", call).await?;
        Ok(answer.map(|answer| answer.stack_resources.unwrap_or_default().into_iter().filter_map(resource).collect()))
    }
}

fn output(output: Output) -> Option<(String, String)> {
    Some((output.output_key?, output.output_value?))
}

fn resource(resource: StackResource) -> Option<Resource> {
    if resource.resource_status == Some(ResourceStatus::DeleteComplete) {
        return None;
    }
    Some(Resource {
        logical_id: resource.logical_resource_id?,
        physical_id: resource.physical_resource_id?,
        kind: resource.resource_type?,
        stack_arn: resource.stack_id?,
    })
}
