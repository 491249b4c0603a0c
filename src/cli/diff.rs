//! The difference between the policy that a repository has and the one that it gets, for people.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use anstyle::{AnsiColor, Style};
use ecr_autopolicy::{
    controller::{Outcome, Planned},
    policy::document::Document,
    reconcile::Plan,
};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::tally::Tense;

/// Lines that stay the same around those that do not.
const CONTEXT: usize = 3;

/// As many that nothing of a statement is left out.
const WHOLE: usize = 10_000;

/// Differences that were shown in full; more are not remembered.
const REMEMBERED: usize = 1_000;

/// Shows each difference once, and then only says that it is the same again.
#[derive(Default)]
pub(crate) struct Differences {
    shown: HashMap<u64, String>,
}

impl Differences {
    /// What is to be done for a repository, in words and as a difference.
    pub(crate) fn text(&mut self, planned: &Planned) -> String {
        let name = planned.repository.name();
        let heading = heading(planned, Tense::Planned);
        let Some((before, after)) = sides(planned) else { return heading };
        let difference = difference(before.as_ref(), after.as_ref());
        let mut hasher = DefaultHasher::new();
        difference.hash(&mut hasher);
        let hash = hasher.finish();
        match self.shown.get(&hash) {
            Some(first) => format!("{heading}; the same difference as for {first}"),
            None => {
                if self.shown.len() < REMEMBERED {
                    self.shown.insert(hash, name.to_owned());
                }
                format!("{heading}\n{difference}")
            }
        }
    }
}

/// The document before and after, where there is a difference at all.
pub(crate) fn sides(planned: &Planned) -> Option<(Option<Value>, Option<Value>)> {
    let before = planned.current.as_ref().map(Document::to_value);
    match &planned.plan {
        Plan::Set(document) => Some((before, Some(document.to_value()))),
        Plan::Delete => Some((before, None)),
        Plan::Leave(_) => None,
    }
}

/// What happens to a repository, in a line.
pub(crate) fn heading(planned: &Planned, tense: Tense) -> String {
    let name = planned.repository.name();
    let (sign, will, did, color) = match (planned.outcome(), &planned.plan, &planned.current) {
        (_, Plan::Leave(_), _) => (" ", "is left alone", "is left alone", AnsiColor::Cyan),
        (_, Plan::Delete, _) => ("-", "loses its policy", "lost its policy", AnsiColor::Red),
        (Outcome::Removed, ..) => ("~", "loses our statements", "lost our statements", AnsiColor::Yellow),
        (_, _, None) => ("+", "gets a policy", "got a policy", AnsiColor::Green),
        _ => ("~", "changes", "changed", AnsiColor::Yellow),
    };
    let what = if tense == Tense::Planned { will } else { did };
    let style = color.on_default().bold();
    let why = match planned.desired.rules.as_slice() {
        _ if matches!(planned.plan, Plan::Leave(_)) => format!(": {}", planned.why()),
        [] if planned.desired.statements.is_empty() => ": no rule matches".to_owned(),
        [] => String::new(),
        [rule] => format!(" by the rule {rule}"),
        rules => format!(" by the rules {}", rules.join(", ")),
    };
    format!("{style}{sign} {name}{style:#} {what}{why}")
}

/// The difference of two documents, statement by statement: what stays is only named.
pub(crate) fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let frame = |document: Option<&Value>| match document {
        Some(Value::Object(elements)) => {
            let frame = elements.iter().filter(|(name, _)| *name != "Statement");
            frame.map(|(name, value)| format!("{name} {value}\n")).collect()
        }
        _ => String::new(),
    };
    let mut text = String::new();
    // The words around the statements change seldom, and say little where the whole policy comes or goes.
    if before.is_some() && after.is_some() {
        text += &lines(&frame(before), &frame(after));
    }
    let (before, mut after) = (statements(before), statements(after));
    for old in before {
        let same = after.iter().position(|new| *new == old);
        let same =
            same.or_else(|| after.iter().position(|new| new.get("Sid").is_some() && new.get("Sid") == old.get("Sid")));
        match same.map(|place| after.remove(place)) {
            Some(new) if new == old => text += &format!("      {}\n", stays(&old)),
            Some(new) => text += &lines_in(WHOLE, &format!("{old:#}\n"), &format!("{new:#}\n")),
            None => text += &lines(&format!("{old:#}\n"), ""),
        }
    }
    after.iter().fold(text, |text, new| text + &lines("", &format!("{new:#}\n")))
}

fn stays(statement: &Value) -> String {
    let faint = Style::new().dimmed();
    let sid = statement.get("Sid").and_then(Value::as_str);
    sid.map_or_else(
        || format!("{faint}a statement without a Sid stays{faint:#}"),
        |sid| format!("{faint}{sid} stays{faint:#}"),
    )
}

/// The difference of two texts, line by line; what stays the same far from any change is left out.
pub(crate) fn lines(before: &str, after: &str) -> String {
    lines_in(CONTEXT, before, after)
}

fn lines_in(context: usize, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let groups = diff.grouped_ops(context);
    let mut text = String::new();
    for (place, group) in groups.iter().enumerate() {
        if place > 0 {
            text += "      …\n";
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Equal => (' ', Style::new().dimmed()),
                ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
            };
            let line = change.value().trim_end_matches('\n');
            text += &format!("    {style}{sign} {line}{style:#}\n");
        }
    }
    text
}

/// The statements of a document. ECR writes a list of one as the one, and we write it as a list: that is no difference
/// to show.
fn statements(document: Option<&Value>) -> Vec<Value> {
    let statements = document.and_then(|document| document.get("Statement")).and_then(Value::as_array);
    statements.into_iter().flatten().map(in_one_form).collect()
}

fn in_one_form(statement: &Value) -> Value {
    let mut statement = statement.clone();
    for (element, value) in statement.as_object_mut().into_iter().flatten() {
        match (element.as_str(), value) {
            ("Action" | "NotAction", value) => unwrap(value),
            ("Principal" | "NotPrincipal", Value::Object(kinds)) => kinds.values_mut().for_each(unwrap),
            ("Condition", Value::Object(operators)) => {
                let tests = operators.values_mut().filter_map(Value::as_object_mut);
                tests.flat_map(serde_json::Map::values_mut).for_each(unwrap);
            }
            _ => {}
        }
    }
    statement
}

fn unwrap(value: &mut Value) {
    if let Value::Array(items) = value
        && items.len() == 1
        && let Some(item) = items.pop()
    {
        *value = item;
    }
}
