//! `doctor`: the usual reasons why nothing happens, checked one by one.

mod deployment;
mod diagnosis;
mod events;
mod function;
mod parameter;
mod queues;
mod role;
mod stack;
mod trail;

use std::time::Duration;

use anyhow::bail;
use deployment::Deployment;
pub(crate) use diagnosis::Diagnosis;
use diagnosis::{Check, Topic};
use ecr_autopolicy::{configuration::Configuration, policy::sid::SidPrefix};
use events::Watched;
use function::Facts;
use role::Need;

use crate::{
    args::ConnectionArgs,
    aws::{
        Aws, connect,
        deployment::{Inspector, Unseen},
    },
    exit::Exit,
    printer::Printer,
};

/// For how long AWS is asked. What is not known by then stays unknown.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks at the stack, at the way of an event from CloudTrail to the function, at the configuration, at what the
function may do, and at what failed in the last 24 hours. Changes nothing. AWS's managed policy `ReadOnlyAccess`
permits all of it; what you are not permitted to look at is `unknown`. Exits with 1 where a check failed.

Examples:
  ecr-autopolicy doctor
  ecr-autopolicy doctor --stack ecr-autopolicy-test --region eu-central-1
  ecr-autopolicy doctor --output json | jq '.checks[] | select(.result == \"failed\")'"
)]
pub(crate) struct DoctorArgs {
    /// The name of the CloudFormation stack.
    #[arg(long, value_name = "NAME", default_value = "ecr-autopolicy")]
    stack: String,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(crate) async fn run(args: &DoctorArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let aws = connect(&args.connection).await?;
    let diagnosis = diagnose(&aws, &args.stack).await?;
    printer.result(|| diagnosis.text(), &diagnosis)?;
    if !printer.is_json()
        && let Some(hint) = diagnosis.hint()
    {
        printer.note(format!("\nhint: {hint}"));
    }
    Ok(diagnosis.exit())
}

async fn diagnose(aws: &Aws, name: &str) -> anyhow::Result<Diagnosis> {
    let inspector = Inspector::new(aws, PATIENCE);
    let region = &aws.region;
    let (stack, resources) = tokio::join!(inspector.stack(name), inspector.resources(name));
    if let (Err(Unseen { action, denied: false, reason }), Err(_)) = (&stack, &resources) {
        bail!("`{action}` in {region} failed: {reason}");
    }
    let mut checks = vec![stack::check(name, region, &stack)];
    let stack = stack.ok().flatten();
    let within = match resources {
        Ok(None) => Err(Vec::new()),
        Ok(Some(resources)) => Deployment::of(&resources, stack).ok_or_else(|| vec![no_function(name)]),
        Err(unseen) => Err(Topic::WITHIN.map(|topic| Check::unseen(topic, &unseen)).into()),
    };
    match within {
        Ok(deployment) => Ok(examine(&inspector, aws, name, &deployment, checks).await),
        Err(rest) => {
            checks.push(trail::check(&inspector, region).await);
            checks.extend(rest);
            Ok(Diagnosis::new(name, region, checks))
        }
    }
}

fn no_function(stack: &str) -> Check {
    let remedy = "pass the name of ecr-autopolicy's stack to `--stack`, or deploy it with `sam deploy`";
    Check::failed(Topic::Function, format!("the stack `{stack}` has no function"), remedy)
}

async fn examine(
    inspector: &Inspector,
    aws: &Aws,
    name: &str,
    deployment: &Deployment,
    mut checks: Vec<Check>,
) -> Diagnosis {
    let (trail, rules, delivery, function, queues) = tokio::join!(
        trail::check(inspector, &aws.region),
        events::look(inspector, deployment),
        events::delivery(inspector, deployment),
        function::look(inspector, deployment),
        queues::look(inspector, deployment),
    );
    let settings = function.settings().and_then(Result::ok);
    let prefix = settings.as_ref().map_or_else(SidPrefix::default, |settings| settings.prefix.clone());
    let parameter =
        settings.map(|settings| settings.parameter).or_else(|| deployment.output("PolicyParameterName").cloned());
    let (parameter_check, configuration) = match &parameter {
        Some(parameter) => parameter::check(inspector, aws, parameter, &prefix, &deployment.registry).await,
        None => (Check::unknown(Topic::Parameter, "it is not known which parameter the function reads"), None),
    };

    checks.push(trail);
    checks.extend(rules.iter().map(|rule| rule.check(deployment, &function, &queues)));
    checks.push(delivery);
    checks.push(function.check(deployment));
    let gone = matches!(function.function, Ok(None));
    if !gone {
        checks.push(function.environment(deployment));
        checks.push(function.concurrency(deployment));
    }
    checks.push(parameter_check);
    let role = function.seen().and_then(|function| function.role.as_ref()).or(deployment.output("FunctionRoleArn"));
    match role {
        Some(role) => {
            let sweeps = rules.iter().any(Watched::sweeps);
            let needs = needs(deployment, &function, parameter.as_deref(), configuration.as_ref(), sweeps);
            checks.extend(role::check(inspector, role, &needs).await);
        }
        None => checks.push(Check::unknown(Topic::Role, "it is not known which role the function has")),
    }
    if !gone {
        checks.extend(function.queue_mappings(deployment));
        checks.push(function.failure_destination(deployment));
    }
    checks.extend(queues.failures());
    if !gone {
        checks.push(function.invocations());
    }
    Diagnosis::new(name, &aws.region, checks).about(parameter, &prefix)
}

/// What the function's role must allow.
fn needs(
    deployment: &Deployment,
    function: &Facts,
    parameter: Option<&str>,
    configuration: Option<&Configuration>,
    sweeps: bool,
) -> Vec<Need> {
    let registry = &deployment.registry;
    let tags = configuration.is_some_and(|configuration| configuration.rules.iter().any(|rule| !rule.tags.is_empty()));
    let mut needs = vec![role::repository_policies(registry, tags, sweeps)];
    needs.extend(parameter.map(|parameter| role::parameter(registry, parameter)));
    let send = |queue: &String| Need { actions: vec!["sqs:SendMessage"], resource: queue.clone() };
    let failures = function.destination.as_ref().ok().and_then(Option::as_ref);
    needs.extend(failures.filter(|arn| deployment.queue(arn).is_some()).map(send));
    for mapping in function.mappings.iter().flatten().flatten() {
        let mut actions = vec!["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
        actions.extend(sweeps.then_some("sqs:SendMessage"));
        needs.push(Need { actions, resource: mapping.source.clone() });
    }
    needs
}
