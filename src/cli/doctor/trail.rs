//! Does CloudTrail tell of new repositories?

use super::diagnosis::{Check, Topic::Trail as TOPIC};
use crate::aws::deployment::{Inspector, Recorded, Trail, Unseen};

pub(super) async fn check(inspector: &Inspector, region: &str) -> Check {
    let all = match inspector.trails().await {
        Ok(all) => all.unwrap_or_default(),
        Err(unseen) => return Check::unseen(TOPIC, &unseen),
    };
    let mut trails = Vec::new();
    for trail in &all {
        match look(inspector, trail).await {
            Ok(Some(Recorded::All)) => {
                return Check::ok(TOPIC, format!("the trail `{}` tells of new repositories in {region}", trail.name));
            }
            other => trails.push((trail, other)),
        }
    }
    if let Some((trail, _)) = trails.iter().find(|(_, seen)| matches!(seen, Ok(Some(Recorded::Some)))) {
        let found = format!("the trail `{}` tells of some new repositories in {region}, not of all", trail.name);
        return Check::warning(
            TOPIC,
            found,
            "record all write management events: take the other fields out of its event selectors",
        );
    }
    if let Some(unseen) = trails.iter().find_map(|(_, seen)| seen.as_ref().err()) {
        return Check::unseen(TOPIC, unseen);
    }
    if trails.is_empty() {
        let remedy = "without a trail no event comes; create one that records write management events, with \
                      `aws cloudtrail create-trail` and `aws cloudtrail start-logging`";
        return Check::failed(TOPIC, format!("no trail of CloudTrail covers {region}"), remedy);
    }
    let reasons = trails.iter().filter_map(|(trail, seen)| {
        Some(format!("`{}` {}", trail.name, reason(seen.as_ref().ok().copied().flatten())?))
    });
    let found = format!("no trail tells of new repositories in {region}: {}", reasons.collect::<Vec<_>>().join(", "));
    let off = trails.iter().find_map(|(trail, seen)| matches!(seen, Ok(None)).then_some(trail));
    let remedy = match off {
        Some(trail) => format!("`aws cloudtrail start-logging --name {}`", trail.arn),
        None => "have one record write management events, those of ECR too, with `aws cloudtrail put-event-selectors`"
            .to_owned(),
    };
    Check::failed(TOPIC, found, remedy)
}

/// What the trail records; nothing where it is switched off.
async fn look(inspector: &Inspector, trail: &Trail) -> Result<Option<Recorded>, Unseen> {
    match inspector.is_logging(trail).await? {
        Some(true) => inspector.recorded(trail).await,
        _ => Ok(None),
    }
}

fn reason(recorded: Option<Recorded>) -> Option<&'static str> {
    match recorded {
        None => Some("is switched off"),
        Some(Recorded::NoManagementEvents) => Some("records no management events"),
        Some(Recorded::NoWrites) => Some("records only events of reading"),
        Some(Recorded::NothingOfEcr) => Some("leaves the events of ECR out"),
        Some(Recorded::NoCreations) => Some("leaves the creation of repositories out"),
        Some(Recorded::Some | Recorded::All) => None,
    }
}
