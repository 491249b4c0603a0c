//! CloudWatch: how often something happened.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Metric as CloudWatchMetric, MetricDataQuery, MetricStat},
};

use super::{Inspector, Seen};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: i32 = 60 * 60;

/// Something that CloudWatch counts.
pub(crate) struct Metric<'a> {
    /// As `AWS/Lambda`.
    pub(crate) namespace: &'static str,
    /// As `Errors`.
    pub(crate) name: &'static str,
    /// Of what: as `FunctionName`, and its name.
    pub(crate) dimension: (&'static str, &'a str),
}

impl Inspector {
    /// How often each happened in the last 24 hours. What never happened has no data, and is 0.
    pub(crate) async fn last_day(&self, metrics: &[Metric<'_>]) -> Seen<Vec<u64>> {
        let now = SystemTime::now();
        let queries = metrics.iter().enumerate().map(|(index, metric)| query(index, metric)).collect();
        let request = Client::new(&self.config).get_metric_data().set_metric_data_queries(Some(queries));
        let call = request.start_time(DateTime::from(now - DAY)).end_time(DateTime::from(now)).send();
        let answer = self.look("cloudwatch:GetMetricData", call).await?;
        Ok(answer.map(|answer| {
            let results = answer.metric_data_results.unwrap_or_default();
            let sum = |index| {
                let own = results.iter().filter(|result| result.id() == Some(&id(index)));
                // Counts are whole numbers, however CloudWatch writes them.
                own.flat_map(|result| result.values()).map(|value| *value as u64).sum()
            };
            (0..metrics.len()).map(sum).collect()
        }))
    }
}

fn id(index: usize) -> String {
    format!("m{index}")
}

fn query(index: usize, metric: &Metric<'_>) -> MetricDataQuery {
    let (name, value) = metric.dimension;
    let dimension = Dimension::builder().name(name).value(value).build();
    let metric = CloudWatchMetric::builder().namespace(metric.namespace).metric_name(metric.name).dimensions(dimension);
    let stat = MetricStat::builder().metric(metric.build()).period(HOUR).stat("Sum").build();
    MetricDataQuery::builder().id(id(index)).metric_stat(stat).build()
}
