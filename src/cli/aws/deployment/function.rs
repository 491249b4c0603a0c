//! Lambda: the function and what is set around it.

use std::collections::HashMap;

use aws_sdk_lambda::{
    Client,
    types::{EnvironmentResponse, LastUpdateStatus},
};

use super::{Inspector, Seen};

/// A function.
pub(crate) struct Function {
    /// As `Active`.
    pub(crate) state: String,
    pub(crate) state_reason: Option<String>,
    /// Why the last update failed, where it did.
    pub(crate) update_failure: Option<String>,
    /// Its environment variables, or why Lambda cannot tell them.
    pub(crate) variables: Result<HashMap<String, String>, String>,
    pub(crate) role: Option<String>,
    pub(crate) log_group: Option<String>,
}

/// What hands a queue's messages to a function.
pub(crate) struct Mapping {
    pub(crate) id: String,
    /// As `Enabled`.
    pub(crate) state: String,
    /// The queue's ARN.
    pub(crate) source: String,
}

impl Inspector {
    /// The function of that name.
    pub(crate) async fn function(&self, name: &str) -> Seen<Function> {
        let call = Client::new(&self.config).get_function_configuration().function_name(name).send();
        let answer = self.look("lambda:GetFunctionConfiguration", call).await?;
        Ok(answer.map(|function| Function {
            state: function.state.map(|state| state.to_string()).unwrap_or_default(),
            state_reason: function.state_reason,
            update_failure: (function.last_update_status == Some(LastUpdateStatus::Failed))
                .then(|| function.last_update_status_reason.unwrap_or_else(|| "no reason given".to_owned())),
            variables: function.environment.map_or_else(|| Ok(HashMap::new()), variables),
            role: function.role,
            log_group: function.logging_config.and_then(|logging| logging.log_group),
        }))
    }

    /// How many invocations at once are set aside for the function, which is also the most that it gets.
    pub(crate) async fn reserved_concurrency(&self, function: &str) -> Seen<i32> {
        let call = Client::new(&self.config).get_function_concurrency().function_name(function).send();
        let answer = self.look("lambda:GetFunctionConcurrency", call).await?;
        Ok(answer.and_then(|answer| answer.reserved_concurrent_executions))
    }

    /// The policy that says who may invoke the function.
    pub(crate) async fn function_policy(&self, function: &str) -> Seen<String> {
        let call = Client::new(&self.config).get_policy().function_name(function).send();
        Ok(self.look("lambda:GetPolicy", call).await?.and_then(|answer| answer.policy))
    }

    /// The ARN of what gets the events that the function failed on.
    pub(crate) async fn failure_destination(&self, function: &str) -> Seen<String> {
        let request = Client::new(&self.config).get_function_event_invoke_config();
        let call = request.function_name(function).qualifier("$LATEST").send();
        let answer = self.look("lambda:GetFunctionEventInvokeConfig", call).await?;
        let destinations = answer.and_then(|answer| answer.destination_config);
        Ok(destinations.and_then(|destinations| destinations.on_failure?.destination))
    }

    /// The queues that the function gets messages from.
    pub(crate) async fn mappings(&self, function: &str) -> Seen<Vec<Mapping>> {
        let call = Client::new(&self.config).list_event_source_mappings().function_name(function).send();
        let answer = self.look("lambda:ListEventSourceMappings", call).await?;
        let mappings = answer.map(|answer| answer.event_source_mappings.unwrap_or_default());
        Ok(mappings.map(|mappings| {
            let mapping = mappings.into_iter().map(|mapping| Mapping {
                id: mapping.uuid.unwrap_or_default(),
                state: mapping.state.unwrap_or_default(),
                source: mapping.event_source_arn.unwrap_or_default(),
            });
            mapping.collect()
        }))
    }
}

fn variables(environment: EnvironmentResponse) -> Result<HashMap<String, String>, String> {
    match environment.error {
        None => Ok(environment.variables.unwrap_or_default()),
        Some(error) => Err(error.message.or(error.error_code).unwrap_or_default()),
    }
}
