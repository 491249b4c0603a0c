//! Metrics, in CloudWatch's embedded metric format: lines of the log from which CloudWatch makes metrics
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

const NAMESPACE: &str = "ecr-autopolicy";

/// The most values that a metric has in one line.
const MOST_VALUES: usize = 100;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Repositories whose policy was written.
    Applied,
    /// Repositories from which our last statement was taken.
    Removed,
    /// Repositories with nothing to do.
    Unchanged,
    /// Repositories that were left alone on purpose.
    Skipped,
    /// Repositories that no longer exist.
    Gone,
    /// Events that were none of the function's business.
    Ignored,
    /// Events that told of a new repository.
    Creations,
    /// Repositories that a sweep of the schedule had to write, because no event had led to it.
    Corrected,
    /// Repositories that a sweep put on the work queue.
    Queued,
    /// Repositories of a sweep that were looked at.
    Swept,
    /// Calls that AWS refused for their rate.
    Throttled,
}

/// What one invocation has to tell. A metric that is zero is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    counts: BTreeMap<Count, u64>,
    failed: BTreeMap<&'static str, u64>,
    seconds_to_policy: Vec<f64>,
}

impl Metrics {
    /// Counts that many.
    pub fn count(&mut self, what: Count, number: u64) {
        if number > 0 {
            *self.counts.entry(what).or_default() += number;
        }
    }

    /// Counts a repository, or an event as a whole, that failed with an error of this label.
    pub fn failed(&mut self, label: &'static str) {
        *self.failed.entry(label).or_default() += 1;
    }

    /// Remembers how long a repository was without its policy.
    pub fn policy_came_after(&mut self, seconds: f64) {
        self.seconds_to_policy.push(seconds);
    }

    /// The lines to print, one for all that is told of the function as a whole and one for each label of failures.
    #[must_use]
    pub fn lines(&self, function: &str, now: SystemTime) -> Vec<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let counts = self.counts.iter().map(|(what, number)| (what.name(), json!(number), "Count"));
        let mut times =
            self.seconds_to_policy.chunks(MOST_VALUES).map(|some| ("SecondsToPolicy", json!(some), "Seconds"));
        let first: Vec<_> = counts.chain(times.next()).collect();
        let mut lines = Vec::new();
        for metrics in std::iter::once(first).chain(times.map(|more| vec![more])).filter(|metrics| !metrics.is_empty())
        {
            lines.push(line(now, &[("FunctionName", function)], &[&["FunctionName"]], &metrics));
        }
        for (label, number) in &self.failed {
            let dimensions: &[&[&str]] = &[&["FunctionName"], &["FunctionName", "ErrorType"]];
            let values = [("FunctionName", function), ("ErrorType", label)];
            lines.push(line(now, &values, dimensions, &[("Failed", json!(number), "Count")]));
        }
        lines
    }
}

impl Count {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "Applied",
            Self::Removed => "Removed",
            Self::Unchanged => "Unchanged",
            Self::Skipped => "Skipped",
            Self::Gone => "Gone",
            Self::Ignored => "Ignored",
            Self::Creations => "Creations",
            Self::Corrected => "Corrected",
            Self::Queued => "Queued",
            Self::Swept => "Swept",
            Self::Throttled => "Throttled",
        }
    }
}

fn line(now: u64, values: &[(&str, &str)], dimensions: &[&[&str]], metrics: &[(&str, Value, &str)]) -> String {
    let definitions: Vec<_> = metrics.iter().map(|(name, _, unit)| json!({ "Name": name, "Unit": unit })).collect();
    let directive = json!([{ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions }]);
    let mut line = serde_json::Map::new();
    line.insert("_aws".to_owned(), json!({ "Timestamp": now, "CloudWatchMetrics": directive }));
    line.extend(values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, value, _)| ((*name).to_owned(), value.clone())));
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, expected: &[&str]) {
        let lines = metrics.lines("autopolicy", UNIX_EPOCH + Duration::from_millis(1_790_000_000_123));
        assert_eq!(lines, expected);
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let mut metrics = Metrics::default();
        metrics.count(Count::Queued, 0);
        check(&metrics, &[]);
    }

    #[test]
    fn an_invocation_has_one_line() {
        let mut metrics = Metrics::default();
        metrics.count(Count::Applied, 1);
        metrics.count(Count::Creations, 1);
        metrics.policy_came_after(4.25);
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1790000000123,"CloudWatchMetrics":[{"Namespace":"ecr-autopolicy","Dimensions":"#,
            r#"[["FunctionName"]],"Metrics":[{"Name":"Applied","Unit":"Count"},{"Name":"Creations","Unit":"Count"},"#,
            r#"{"Name":"SecondsToPolicy","Unit":"Seconds"}]}]},"FunctionName":"autopolicy","Applied":1,"Creations":1,"#,
            r#""SecondsToPolicy":[4.25]}"#,
        );
        check(&metrics, &[expected]);
    }

    #[test]
    fn failures_are_told_by_label_as_well() {
        let mut metrics = Metrics::default();
        metrics.failed("Throttled");
        metrics.failed("Throttled");
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1790000000123,"CloudWatchMetrics":[{"Namespace":"ecr-autopolicy","Dimensions":"#,
            r#"[["FunctionName"],["FunctionName","ErrorType"]],"Metrics":[{"Name":"Failed","Unit":"Count"}]}]},"#,
            r#""FunctionName":"autopolicy","ErrorType":"Throttled","Failed":2}"#,
        );
        check(&metrics, &[expected]);
    }

    #[test]
    fn a_line_has_no_more_values_than_cloudwatch_takes() {
        let mut metrics = Metrics::default();
        (0..250).for_each(|second| metrics.policy_came_after(f64::from(second)));
        let lines = metrics.lines("autopolicy", UNIX_EPOCH);
        let values = lines.iter().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["SecondsToPolicy"].as_array().unwrap().len()
        });
        assert_eq!(values.collect::<Vec<_>>(), [100, 100, 50]);
    }
}
