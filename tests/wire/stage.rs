//! The function on a stage: AWS around it, a configuration in the parameter, repositories in ECR.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::aws::{
    ACCOUNT, Aws, Call, Fault, GetParameter, Message, Often, Operation, PARAMETER, Parameter, REGION, WORK_QUEUE,
};
use crate::runtime::{Answer, Process};

/// What Lambda would give an invocation where a test does not say otherwise.
const TIME: Duration = Duration::from_secs(20);

/// What is there before the function starts. The parameter is read for every event, unless a test
/// sets `POLICY_CACHE_SECONDS` otherwise.
pub(crate) struct Stage {
    region: String,
    arn: String,
    aws: Aws,
    environment: BTreeMap<String, String>,
}

impl Stage {
    /// A function in `eu-west-1`, with no parameter and no repository.
    pub(crate) fn new() -> Stage {
        Stage::of("aws", REGION)
    }

    /// The same in another partition and Region.
    pub(crate) fn of(partition: &str, region: &str) -> Stage {
        let aws = Aws::start(partition, ACCOUNT, region);
        let url = aws.url();
        let environment = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_REGION", region),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-that-no-log-may-hold"),
            ("AWS_SESSION_TOKEN", "a-token-that-no-log-may-hold"),
            ("AWS_LAMBDA_FUNCTION_NAME", "ecr-autopolicy"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ecr-autopolicy"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/20/[$LATEST]0123456789abcdef"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("_HANDLER", "bootstrap"),
            ("LAMBDA_TASK_ROOT", "/var/task"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TZ", ":UTC"),
            ("POLICY_PARAMETER", PARAMETER),
            ("POLICY_CACHE_SECONDS", "0"),
        ];
        Stage {
            region: region.to_owned(),
            arn: format!("arn:{partition}:lambda:{region}:{ACCOUNT}:function:ecr-autopolicy"),
            aws,
            environment: environment.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }

    /// Where the services listen.
    pub(crate) fn url(&self) -> String {
        self.aws.url()
    }

    /// The parameter holds this configuration.
    pub(crate) fn configuration(self, configuration: &Value) -> Stage {
        self.parameter(&configuration.to_string())
    }

    /// The parameter holds this text.
    pub(crate) fn parameter(self, text: &str) -> Stage {
        self.aws.set_parameter(text, false);
        self
    }

    /// The parameter is a `SecureString` that holds this configuration.
    pub(crate) fn secure(self, configuration: &Value) -> Stage {
        self.aws.set_parameter(&configuration.to_string(), true);
        self
    }

    /// The parameter holds this configuration, under another name than usual.
    pub(crate) fn parameter_of(self, name: &str, configuration: &Value) -> Stage {
        self.aws.set_parameter_of(name, Parameter::new(&configuration.to_string(), "String"));
        self
    }

    /// Sweeps are spread over a queue.
    pub(crate) fn queue(self) -> Stage {
        self.aws.set_queue();
        self.env("WORK_QUEUE_URL", WORK_QUEUE)
    }

    /// The list of repositories has no more than so many on a page.
    pub(crate) fn page(self, most: usize) -> Stage {
        self.aws.set_page(most);
        self
    }

    /// There are repositories without a policy.
    pub(crate) fn repositories<Name: AsRef<str>>(self, names: impl IntoIterator<Item = Name>) -> Stage {
        names.into_iter().fold(self, |stage, name| stage.repository(name.as_ref()))
    }

    /// There is a repository without a policy.
    pub(crate) fn repository(self, name: &str) -> Stage {
        self.aws.set_repository(&self.region, name, None);
        self
    }

    /// There is a repository without a policy in another Region.
    pub(crate) fn repository_in(self, region: &str, name: &str) -> Stage {
        self.aws.set_repository(region, name, None);
        self
    }

    /// There is a repository with this policy, which ECR answers as this very text.
    pub(crate) fn live(self, name: &str, policy: &str) -> Stage {
        self.aws.set_repository(&self.region, name, Some(policy));
        self
    }

    /// There is a repository with these tags, and without a policy.
    pub(crate) fn tagged(self, name: &str, tags: &[(&str, &str)]) -> Stage {
        self.aws.set_tags(&self.region, name, tags);
        self
    }

    /// An operation fails.
    pub(crate) fn fault(self, operation: Operation, fault: Fault, often: Often) -> Stage {
        self.aws.set_fault(operation, fault, often);
        self
    }

    /// An operation fails for one repository.
    pub(crate) fn fault_of(self, repository: &str, operation: Operation, fault: Fault, often: Often) -> Stage {
        self.aws.set_fault_of(repository, operation, fault, often);
        self
    }

    /// A principal does not exist.
    pub(crate) fn stranger(self, principal: &str) -> Stage {
        self.aws.set_stranger(principal);
        self
    }

    /// The function is invoked under this ARN.
    pub(crate) fn arn(mut self, arn: &str) -> Stage {
        arn.clone_into(&mut self.arn);
        self
    }

    /// The function's environment has this variable.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Stage {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The function's environment does not have this variable.
    pub(crate) fn without_env(mut self, key: &str) -> Stage {
        self.environment.remove(key);
        self
    }

    /// The services.
    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Starts the function.
    pub(crate) fn start(self) -> Function {
        let process = Process::start(&self.environment, &self.arn, self.aws.events());
        let prefix = self.environment.get("STATEMENT_PREFIX").cloned();
        Function { process, aws: self.aws, prefix: prefix.unwrap_or_else(|| "AutoPolicy".to_owned()), sent: 0 }
    }
}

/// The function, started.
pub(crate) struct Function {
    /// Its process.
    pub(crate) process: Process,
    /// The services that it talks to.
    pub(crate) aws: Aws,
    /// What its statements' ids begin with.
    pub(crate) prefix: String,
    sent: usize,
}

impl Function {
    /// Sends an event.
    #[track_caller]
    pub(crate) fn invoke(&mut self, event: &Value) -> Answer {
        self.invoke_within(event, TIME)
    }

    /// Sends an event that must be dealt with in this time.
    #[track_caller]
    pub(crate) fn invoke_within(&mut self, event: &Value, time: Duration) -> Answer {
        self.sent += 1;
        let answer = self.process.invoke(&event.to_string(), time);
        let offences = self.aws.offences();
        assert!(offences.is_empty(), "{}", offences.join("\n"));
        answer
    }

    /// The calls that the last event led to.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.aws.calls().into_iter().filter(|call| call.invocation == self.sent).collect()
    }

    /// The names of the calls that the last event led to, without the reading of the parameter.
    pub(crate) fn ecr_calls(&self) -> Vec<Operation> {
        let calls = self.calls().into_iter().map(|call| call.operation);
        calls.filter(|operation| *operation != GetParameter).collect()
    }

    /// How often this operation was called for the last event.
    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.calls().iter().filter(|call| call.operation == operation).count()
    }

    /// The messages that were put on the queue since the last look, in their order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.aws.take_messages()
    }

    /// The text of the last policy that was sent for the last event.
    #[track_caller]
    pub(crate) fn sent_policy(&self) -> String {
        let call = self.calls().into_iter().rfind(|call| call.operation == Operation::SetRepositoryPolicy);
        call.unwrap().body["policyText"].as_str().unwrap().to_owned()
    }
}
