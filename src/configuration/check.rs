//! What can be said of a configuration only once its policies are rendered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Configuration, Grant, Rule, rule::given};
use crate::{
    finding::{Finding, Place},
    policy::{
        document::Statement,
        exposure::{self, Exposure},
        grammar, privilege,
        sameness::Meaning,
        sid::SidPrefix,
        variables, wildcard,
    },
    repository::{Registry, Repository},
};

/// Every finding about what the rules would write.
///
/// No template is trusted by its name: the checks read what it renders to.
pub(super) fn check(configuration: &Configuration, prefix: &SidPrefix, registry: &Registry) -> Vec<Finding> {
    // What holds for the sample holds for the registry's others: they differ only in their names, and those may not
    // stand in a statement's id.
    let sample = Repository::sample(registry);
    let mut findings = Vec::new();
    let mut sids: BTreeMap<String, (Place, &Rule)> = BTreeMap::new();
    let mut rendered = Vec::new();
    for rule in &configuration.rules {
        let mut found = variables_of(rule, &sample);
        if found.is_empty()
            && let Ok(policy) = rule.render(&sample)
        {
            found.extend(grammar::check(&policy, &rule.place));
        }
        let statements = rule.statements(&sample, prefix).unwrap_or_default();
        found.extend(same_ids(rule, &statements, &mut sids));
        for (index, statement) in statements.iter().enumerate() {
            let place = statement_place(rule, index);
            if !found.iter().any(|finding| finding.is_error() && hides_who_gets_in(&finding.place, &place)) {
                let exposure = exposure(rule, index, statement);
                found.extend(exposure.filter(|finding| !(configuration.allow_public && finding.is_error())));
                found.extend(power(&place, statement, &sample));
            }
        }
        if !found.iter().any(Finding::is_error) {
            rendered.push((rule, statements));
        }
        findings.extend(found);
    }
    findings.extend(configuration.rules.iter().filter_map(matches_nothing));
    findings.extend(pointless(&rendered));
    findings
}

/// Statements whose ids are taken already, given which ones are.
fn same_ids<'a>(
    rule: &'a Rule,
    statements: &[Statement],
    taken: &mut BTreeMap<String, (Place, &'a Rule)>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, sid) in statements.iter().filter_map(Statement::sid).enumerate() {
        let place = statement_place(rule, index);
        if let Some((earlier, other)) = taken.get(sid) {
            // Two rules of one name are told as such, and everything else follows from it.
            if other.place != rule.place && other.name == rule.name {
                continue;
            }
            let message = format!("the statement id `{sid}` stands at {earlier} already");
            findings.push(Finding::error(&place, message).hint("change the statement's `Sid` or the rule's `name`"));
        } else {
            taken.insert(sid.to_owned(), (place, rule));
        }
    }
    findings
}

/// Whether a mistake at this place leaves open whom the statement reaches, so that nothing more is to be said of it.
fn hides_who_gets_in(mistake: &Place, statement: &Place) -> bool {
    let elements = ["Effect", "Principal", "NotPrincipal", "Condition"];
    mistake == statement || elements.iter().any(|element| mistake.is_within(&statement.key(element)))
}

/// That others could change the policy or delete the repository.
fn power(place: &Place, statement: &Statement, sample: &Repository) -> Option<Finding> {
    let action = privilege::power_of_others(statement, sample.registry().id())?;
    let message = format!("others than the registry's own account get `{action}`");
    let hint = "that is power over the repository itself; write an access level such as `PullPush`, or single actions";
    Some(Finding::warning(place, message).hint(hint))
}

/// A rule whose exceptions leave nothing of its repositories.
fn matches_nothing(rule: &Rule) -> Option<Finding> {
    let excepted = |pattern: &String| rule.except.iter().any(|except| wildcard::covers(except, pattern));
    rule.repositories.iter().all(excepted).then(|| {
        Finding::warning(
            &rule.place,
            "the rule matches no repository: `except` takes away all that `repositories` names",
        )
        .hint("narrow `except`, or take the rule away")
    })
}

/// Rules that add nothing to what another one gives to the same repositories.
fn pointless(rendered: &[(&Rule, Vec<Statement>)]) -> Vec<Finding> {
    let says = |statements: &[Statement]| statements.iter().map(Meaning::of).collect::<BTreeSet<_>>();
    let mut findings = Vec::new();
    for (index, (rule, statements)) in rendered.iter().enumerate() {
        let meaning = says(statements);
        let wider = rendered.iter().enumerate().find(|(other_index, (other, others))| {
            let others = says(others);
            // Of two equal rules, the later one is pointless.
            let equal = rule.is_wider_than(other) && meaning == others;
            *other_index != index
                && other.is_wider_than(rule)
                && meaning.is_subset(&others)
                && (!equal || *other_index < index)
        });
        if let Some((_, (other, _))) = wider {
            let message = format!("the rule adds nothing to the one at {}", other.place);
            findings.push(Finding::warning(&rule.place, message).hint("take it away"));
        }
    }
    findings
}

/// Whom a rule's rendered statement reaches beyond the principals that it names.
pub(super) fn exposure(rule: &Rule, index: usize, statement: &Statement) -> Option<Finding> {
    let place = statement_place(rule, index);
    match exposure::exposure(statement) {
        Exposure::Narrow => None,
        Exposure::Public(reasons) => {
            let why = reasons.iter().map(|reason| format!(" ({reason})")).collect::<String>();
            let message = format!("the statement opens the repository to everyone in the world{why}");
            let narrower = match rule.grant {
                Grant::Template { .. } => "take a narrower template such as `organization`",
                Grant::Policy(_) => "narrow it with a condition such as `aws:PrincipalOrgID`",
            };
            let hint = format!("{narrower}, or add `\"allow_public\": true` if you mean it");
            Some(Finding::error(&place, message).hint(hint))
        }
        Exposure::AnyoneThrough(service) => {
            let message = format!("anyone's `{service}` may do this, since no account is named for which it acts");
            Some(Finding::warning(&place, message).hint("add a condition on `aws:SourceAccount`"))
        }
    }
}

fn variables_of(rule: &Rule, sample: &Repository) -> Vec<Finding> {
    match &rule.grant {
        Grant::Template { template, with } => {
            variables::check(&template.policy, &with.clone().or(given(sample)), &rule.place)
        }
        Grant::Policy(policy) => {
            let mut findings = variables::check(policy, &given(sample), &rule.place);
            for (place, statement) in statements_in(policy, &rule.place) {
                if statement.get("Sid").and_then(Value::as_str).is_some_and(|sid| sid.contains("${")) {
                    let message = "a statement id with a variable would not be the same everywhere";
                    findings.push(Finding::error(&place.key("Sid"), message).hint("write the id out"));
                }
            }
            findings
        }
    }
}

/// The statements as they stand in a policy document, whether one alone or a list, each with its place.
fn statements_in<'a>(policy: &'a Value, place: &Place) -> Vec<(Place, &'a Value)> {
    let place = place.key("Statement");
    match policy.get("Statement") {
        Some(Value::Array(statements)) => {
            statements.iter().enumerate().map(|(index, statement)| (place.index(index), statement)).collect()
        }
        Some(statement) => vec![(place, statement)],
        None => Vec::new(),
    }
}

/// A template's statements do not stand in the configuration, so the template's name has to do.
fn statement_place(rule: &Rule, index: usize) -> Place {
    match &rule.grant {
        Grant::Template { .. } => rule.place.clone(),
        Grant::Policy(policy) => {
            let place = statements_in(policy, &rule.place).into_iter().nth(index).map(|(place, _)| place);
            place.unwrap_or_else(|| rule.place.clone())
        }
    }
}
