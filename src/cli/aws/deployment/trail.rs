//! CloudTrail: the trails that cover a Region, and what they record.

use aws_sdk_cloudtrail::{
    Client,
    config::{Builder, Region},
    types::{AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType, Trail as CloudTrail},
};

use super::{Inspector, Seen};

/// Where events of ECR come from.
const ECR: &str = "ecr.amazonaws.com";

/// A trail.
pub(crate) struct Trail {
    pub(crate) name: String,
    pub(crate) arn: String,
    home: Option<String>,
}

/// What a trail records of the creation of repositories, from nothing to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    NoManagementEvents,
    NoWrites,
    NothingOfEcr,
    NoCreations,
    /// Some creations, by what only the event itself shows.
    Some,
    All,
}

impl Inspector {
    /// The trails that cover the Region, those of other Regions and of the organization too.
    pub(crate) async fn trails(&self) -> Seen<Vec<Trail>> {
        let call = Client::new(&self.config).describe_trails().include_shadow_trails(true).send();
        let answer = self.look("cloudtrail:DescribeTrails", call).await?;
        Ok(answer.map(|answer| answer.trail_list.unwrap_or_default().into_iter().filter_map(trail).collect()))
    }

    /// Whether the trail is switched on.
    pub(crate) async fn is_logging(&self, trail: &Trail) -> Seen<bool> {
        let call = self.trail_client(trail).get_trail_status().name(&trail.arn).send();
        let answer = self.look("cloudtrail:GetTrailStatus", call).await?;
        Ok(answer.map(|answer| answer.is_logging == Some(true)))
    }

    /// What the trail records: what one of its selectors chooses.
    pub(crate) async fn recorded(&self, trail: &Trail) -> Seen<Recorded> {
        let call = self.trail_client(trail).get_event_selectors().trail_name(&trail.arn).send();
        let answer = self.look("cloudtrail:GetEventSelectors", call).await?;
        Ok(answer.map(|answer| {
            let basic = answer.event_selectors().iter().map(basic);
            let advanced = answer.advanced_event_selectors().iter().map(advanced);
            basic.chain(advanced).max().unwrap_or(Recorded::NoManagementEvents)
        }))
    }

    /// A trail answers in its home Region.
    fn trail_client(&self, trail: &Trail) -> Client {
        let home = trail.home.clone().map(Region::new).or_else(|| self.config.region().cloned());
        Client::from_conf(Builder::from(&self.config).region(home).build())
    }
}

fn trail(trail: CloudTrail) -> Option<Trail> {
    let arn = trail.trail_arn?;
    Some(Trail { name: trail.name.unwrap_or_else(|| arn.clone()), arn, home: trail.home_region })
}

/// The older form of a selector. What it leaves out means yes.
fn basic(selector: &EventSelector) -> Recorded {
    if selector.include_management_events == Some(false) {
        Recorded::NoManagementEvents
    } else if selector.read_write_type == Some(ReadWriteType::ReadOnly) {
        Recorded::NoWrites
    } else if selector.exclude_management_event_sources().iter().any(|source| source == ECR) {
        Recorded::NothingOfEcr
    } else {
        Recorded::All
    }
}

/// Fields, all of which an event must fit.
fn advanced(selector: &AdvancedEventSelector) -> Recorded {
    let field = |field: &AdvancedFieldSelector| match field.field.as_str() {
        "eventCategory" if !fits(field, "Management") => Recorded::NoManagementEvents,
        "readOnly" if !fits(field, "false") => Recorded::NoWrites,
        "eventSource" if !fits(field, ECR) => Recorded::NothingOfEcr,
        "eventName" if !fits(field, "CreateRepository") => Recorded::NoCreations,
        "eventCategory" | "readOnly" | "eventSource" | "eventName" => Recorded::All,
        _ => Recorded::Some,
    };
    selector.field_selectors.iter().map(field).min().unwrap_or(Recorded::All)
}

fn fits(field: &AdvancedFieldSelector, value: &str) -> bool {
    let any = |operands: &[String], test: fn(&str, &str) -> bool| operands.iter().any(|operand| test(value, operand));
    let required = |operands: &[String], test| operands.is_empty() || any(operands, test);
    required(field.equals(), |value, operand| value == operand)
        && required(field.starts_with(), |value, operand| value.starts_with(operand))
        && required(field.ends_with(), |value, operand| value.ends_with(operand))
        && !any(field.not_equals(), |value, operand| value == operand)
        && !any(field.not_starts_with(), |value, operand| value.starts_with(operand))
        && !any(field.not_ends_with(), |value, operand| value.ends_with(operand))
}
