//! What a stack is made of, by the names of the template.

use std::collections::BTreeMap;

use ecr_autopolicy::repository::Registry;

use crate::aws::deployment::{Resource, Stack};

/// The parts of a stack.
pub(super) struct Deployment {
    pub(super) registry: Registry,
    /// The function's name.
    pub(super) function: String,
    pub(super) rules: Vec<NamedRule>,
    pub(super) queues: Vec<NamedQueue>,
    /// What hands queues' messages to the function, by id.
    pub(super) mappings: Vec<String>,
    outputs: BTreeMap<String, String>,
}

/// One of the stack's rules.
pub(super) struct NamedRule {
    /// Its name in the template.
    pub(super) label: String,
    /// Its name in EventBridge.
    pub(super) name: String,
}

/// One of the stack's queues.
pub(super) struct NamedQueue {
    /// Its name in the template.
    pub(super) label: String,
    pub(super) url: String,
    pub(super) arn: String,
    /// Whether it is for the events that failed.
    pub(super) failures: bool,
}

impl Deployment {
    /// The parts among these resources; none where there is no function.
    pub(super) fn of(resources: &[Resource], stack: Option<Stack>) -> Option<Self> {
        let kind = |kind: &'static str| resources.iter().filter(move |resource| resource.kind == kind);
        let rule = |rule: &Resource| NamedRule { label: rule.logical_id.clone(), name: rule.physical_id.clone() };
        let function = kind("AWS::Lambda::Function").find(|resource| resource.logical_id == "Function")?;
        let mut arn = function.stack_arn.split(':').skip(3);
        let (region, account) = (arn.next()?, arn.next()?);
        let registry = Registry::new(account, region).ok()?;
        Some(Self {
            function: function.physical_id.clone(),
            rules: kind("AWS::Events::Rule").map(rule).collect(),
            queues: kind("AWS::SQS::Queue").filter_map(|queue| NamedQueue::of(queue, &registry)).collect(),
            mappings: kind("AWS::Lambda::EventSourceMapping").map(|mapping| mapping.physical_id.clone()).collect(),
            outputs: stack.map(|stack| stack.outputs).unwrap_or_default(),
            registry,
        })
    }

    /// An output of the stack, where there is one by that name.
    pub(super) fn output(&self, name: &str) -> Option<&String> {
        self.outputs.get(name)
    }

    /// The queue with that ARN.
    pub(super) fn queue(&self, arn: &str) -> Option<&NamedQueue> {
        self.queues.iter().find(|queue| queue.arn == arn)
    }
}

impl NamedQueue {
    fn of(resource: &Resource, registry: &Registry) -> Option<Self> {
        let url = resource.physical_id.clone();
        let mut parts = url.rsplit('/');
        let (name, account) = (parts.next()?, parts.next()?);
        let arn = format!("arn:{}:sqs:{}:{account}:{name}", registry.partition(), registry.region());
        let label = resource.logical_id.clone();
        Some(Self { failures: label == "FailureQueue", label, arn, url })
    }
}
