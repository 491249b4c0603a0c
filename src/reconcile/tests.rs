use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MERGE: OnExistingPolicy = OnExistingPolicy::Merge;
const SKIP: OnExistingPolicy = OnExistingPolicy::Skip;
const REPLACE: OnExistingPolicy = OnExistingPolicy::Replace;

const OURS: &str = r#"{"Sid":"AutoPolicyA","Effect":"Allow","Action":["ecr:BatchGetImage"]}"#;
const OURS_REWORDED: &str = r#"{"Effect":"Allow","Sid":"AutoPolicyA","Action":"ECR:batchgetimage"}"#;
const STALE: &str = r#"{"Sid":"AutoPolicyOld","Effect":"Allow"}"#;
const FOREIGN: &str = r#"{"Zeta":1,"Sid":"LambdaECRImageRetrievalPolicy","Effect":"Allow"}"#;
const WITHOUT_SID: &str = r#"{"Effect":"Deny"}"#;
const VARIABLE: &str = r#"{"Sid":"Variable","Condition":{"StringLike":{"aws:x":"${aws:y}"}}}"#;
const OUR_VARIABLE: &str = r#"{"Sid":"AutoPolicyV","Condition":{"StringLike":{"aws:x":"${aws:y}"}}}"#;

fn statements(texts: &[&str]) -> Vec<Statement> {
    Document::parse(&format!(r#"{{"Statement":[{}]}}"#, texts.join(","))).unwrap().statements
}

fn document(version: &str, texts: &[&str]) -> String {
    let version = if version.is_empty() { String::new() } else { format!(r#""Version":"{version}","#) };
    format!(r#"{{{version}"Statement":[{}]}}"#, texts.join(","))
}

fn current(texts: &[&str]) -> String {
    document("2012-10-17", texts)
}

/// `expected` is the document to write, or the name of another plan.
#[track_caller]
fn check(desired: &[&str], current: Option<&str>, mode: OnExistingPolicy, expected: &str) {
    let current = current.map(|text| Document::parse(text).unwrap());
    let plan = reconcile(&statements(desired), current.as_ref(), mode, &SidPrefix::default());
    let found = match plan {
        Ok(Plan::Set(document)) => document.to_text(),
        Ok(Plan::Delete) => "delete".to_owned(),
        Ok(Plan::Leave(reason)) => format!("leave: {reason:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_repository_without_a_policy_gets_ours() {
    for mode in [MERGE, SKIP, REPLACE] {
        check(&[OURS], None, mode, &current(&[OURS]));
        check(&[], None, mode, "leave: NothingOurs");
    }
}

#[test]
fn foreign_statements_are_merged_skipped_or_replaced() {
    let existing = current(&[FOREIGN, WITHOUT_SID]);
    check(&[OURS], Some(&existing), MERGE, &current(&[FOREIGN, WITHOUT_SID, OURS]));
    check(&[OURS], Some(&existing), SKIP, "leave: Foreign");
    check(&[OURS], Some(&existing), REPLACE, &current(&[OURS]));
}

#[test]
fn where_no_rule_matches_only_ours_goes() {
    for mode in [MERGE, SKIP, REPLACE] {
        check(&[], Some(&current(&[FOREIGN, STALE, WITHOUT_SID])), mode, &current(&[FOREIGN, WITHOUT_SID]));
        check(&[], Some(&current(&[OURS, STALE])), mode, "delete");
        check(&[], Some(&current(&[FOREIGN])), mode, "leave: NothingOurs");
        check(&[], Some(&current(&[])), mode, "leave: NothingOurs");
    }
}

#[test]
fn stale_statements_of_ours_go() {
    check(&[OURS], Some(&current(&[STALE, FOREIGN, OURS])), MERGE, &current(&[FOREIGN, OURS]));
    check(&[OURS], Some(&current(&[STALE, OURS])), SKIP, &current(&[OURS]));
    check(&[OURS], Some(&current(&[OURS, OURS])), MERGE, &current(&[OURS]));
}

#[test]
fn a_policy_that_means_the_same_is_left_alone() {
    check(&[OURS], Some(&current(&[OURS_REWORDED])), MERGE, "leave: Same");
    check(&[OURS], Some(&current(&[OURS_REWORDED, FOREIGN])), MERGE, "leave: Same");
    check(&[OURS], Some(&current(&[OURS_REWORDED, FOREIGN])), REPLACE, &current(&[OURS]));
    check(&[OURS], Some(&current(&[OURS_REWORDED])), SKIP, "leave: Same");
    check(&[OURS], Some(&document("2008-10-17", &[OURS])), MERGE, "leave: Same");
    check(&[OURS], Some(&document("", &[OURS])), MERGE, "leave: Same");
    // Our statement under a foreign id is not ours any more.
    let renamed = OURS.replace("AutoPolicyA", "Theirs");
    check(&[OURS], Some(&current(&[&renamed])), MERGE, &current(&[&renamed, OURS]));
}

#[test]
fn duplicate_foreign_ids_survive() {
    let twice = r#"{"Sid":"Same","Effect":"Allow"}"#;
    let other = r#"{"Sid":"Same","Effect":"Deny"}"#;
    check(&[OURS], Some(&current(&[twice, other, twice])), MERGE, &current(&[twice, other, twice, OURS]));
}

#[test]
fn the_id_of_the_document_stays() {
    let existing = r#"{"Version":"2012-10-17","Id":"mine","Statement":[]}"#;
    check(&[OURS], Some(existing), MERGE, &existing.replace("[]", &format!("[{OURS}]")));
    check(&[OURS], Some(&existing.replace("[]", &format!("[{FOREIGN}]"))), REPLACE, &current(&[OURS]));
}

#[test]
fn an_older_version_stays_only_where_a_foreign_statement_needs_it() {
    check(&[OURS], Some(&document("2008-10-17", &[FOREIGN])), MERGE, &current(&[FOREIGN, OURS]));
    check(&[OURS], Some(&document("", &[FOREIGN])), MERGE, &current(&[FOREIGN, OURS]));
    for version in ["2008-10-17", ""] {
        check(&[OURS], Some(&document(version, &[VARIABLE])), MERGE, &document(version, &[VARIABLE, OURS]));
        check(&[OURS], Some(&document(version, &[VARIABLE, OURS])), MERGE, "leave: Same");
        check(&[OURS], Some(&document(version, &[VARIABLE])), REPLACE, &current(&[OURS]));
        check(&[], Some(&document(version, &[VARIABLE, OURS])), MERGE, &document(version, &[VARIABLE]));
    }
    check(&[OURS], Some(&current(&[VARIABLE])), MERGE, &current(&[VARIABLE, OURS]));
    // Ours under the older Version would say something else than the configuration does.
    check(&[OUR_VARIABLE], Some(&document("2008-10-17", &[OUR_VARIABLE])), MERGE, &current(&[OUR_VARIABLE]));
    check(
        &[OUR_VARIABLE],
        Some(&document("2008-10-17", &[VARIABLE])),
        MERGE,
        "the foreign statement `Variable` contains `${` under policy Version `2008-10-17`, where that is plain text, \
         and our statement `AutoPolicyV` needs Version `2012-10-17`, where it is a variable",
    );
}

#[test]
fn a_policy_is_as_large_as_ecr_takes_and_no_larger() {
    let of_size = |size: usize| {
        let without = current(&[r#"{"Sid":"AutoPolicyA","x":""}"#]).chars().count();
        // Characters are counted, not bytes.
        format!(r#"{{"Sid":"AutoPolicyA","x":"{}"}}"#, "é".repeat(size - without))
    };
    let fits = of_size(POLICY_TEXT_LIMIT);
    check(&[&fits], None, MERGE, &current(&[&fits]));
    check(
        &[&of_size(POLICY_TEXT_LIMIT + 1)],
        None,
        MERGE,
        "the policy would have 10241 characters, 0 of them in foreign statements, and ECR takes 10240; name fewer \
         principals, or let the template `organization` or `organization-ou` name them as one",
    );
}

fn a_word() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z]{0,3}".prop_map(Value::from),
        Just(json!("${aws:x}")),
        Just(json!("*")),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn some_json() -> impl Strategy<Value = Value> {
    a_word().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-zA-Z:]{1,4}", inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn a_statement(sid: impl Strategy<Value = Option<String>>) -> impl Strategy<Value = Value> {
    let element = prop::sample::select(vec!["Effect", "Principal", "Action", "Condition", "Resource", "Unknown"]);
    (sid, prop::collection::vec((element, some_json()), 0..4)).prop_map(|(sid, elements)| {
        let sid = sid.map(|sid| ("Sid".to_owned(), Value::String(sid)));
        let elements = elements.into_iter().map(|(key, value)| (key.to_owned(), value));
        Value::Object(elements.chain(sid).collect())
    })
}

fn a_foreign_statement() -> impl Strategy<Value = Value> {
    a_statement(prop::option::of("(Auto|autoPolicy|x)[A-Za-z ]{0,3}"))
}

fn a_managed_statement() -> impl Strategy<Value = Value> {
    a_statement("AutoPolicy[A-D]{0,2}".prop_map(Some))
}

fn a_document() -> impl Strategy<Value = Document> {
    let statement = prop_oneof![a_foreign_statement(), a_managed_statement()];
    let version = prop::option::of(prop::sample::select(vec!["2012-10-17", "2008-10-17"]));
    (version, prop::option::of("[a-z]{1,3}"), prop::collection::vec(statement, 0..5)).prop_map(
        |(version, id, statements)| {
            let document = Document::from_value(json!({ "Statement": statements })).unwrap();
            Document { version: version.map(str::to_owned), id: id.map(Value::String), ..document }
        },
    )
}

fn desired_statements() -> impl Strategy<Value = Vec<Statement>> {
    prop::collection::vec(a_managed_statement(), 0..4)
        .prop_map(|statements| Document::from_value(json!({ "Statement": statements })).unwrap().statements)
}

fn a_mode() -> impl Strategy<Value = OnExistingPolicy> {
    prop::sample::select(vec![MERGE, SKIP, REPLACE])
}

/// The policy that the plan leaves behind.
fn carried_out(plan: Plan, current: Option<Document>) -> Option<Document> {
    match plan {
        Plan::Set(document) => Some(document),
        Plan::Delete => None,
        Plan::Leave(_) => current,
    }
}

/// The texts of the foreign statements, in their order.
fn foreign(document: Option<&Document>) -> Vec<String> {
    let statements = document.into_iter().flat_map(|document| &document.statements);
    statements
        .filter(|statement| !statement.sid().is_some_and(|sid| SidPrefix::default().owns(sid)))
        .map(|statement| serde_json::to_string(statement.elements()).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn reconciling_twice_changes_nothing(
        desired in desired_statements(),
        current in prop::option::of(a_document()),
        mode in a_mode(),
    ) {
        let prefix = SidPrefix::default();
        let Ok(plan) = reconcile(&desired, current.as_ref(), mode, &prefix) else { return Ok(()) };
        let after = carried_out(plan, current);
        let again = reconcile(&desired, after.as_ref(), mode, &prefix);
        prop_assert!(matches!(again, Ok(Plan::Leave(_))), "{again:?}");
    }

    #[test]
    fn a_foreign_statement_never_changes_unless_it_is_replaced(
        desired in desired_statements(),
        current in prop::option::of(a_document()),
        mode in prop::sample::select(vec![MERGE, SKIP]),
    ) {
        let before = foreign(current.as_ref());
        let Ok(plan) = reconcile(&desired, current.as_ref(), mode, &SidPrefix::default()) else { return Ok(()) };
        prop_assert_eq!(before, foreign(carried_out(plan, current).as_ref()));
    }

    #[test]
    fn without_rules_exactly_the_foreign_statements_stay(current in prop::option::of(a_document()), mode in a_mode()) {
        let plan = reconcile(&[], current.as_ref(), mode, &SidPrefix::default());
        let before = foreign(current.as_ref());
        let after = carried_out(plan.unwrap(), current);
        let statements = after.iter().flat_map(|document| &document.statements).count();
        prop_assert_eq!(statements, before.len());
        prop_assert_eq!(foreign(after.as_ref()), before);
    }

    #[test]
    fn a_merged_policy_holds_exactly_the_desired_statements_beside_the_foreign_ones(
        desired in desired_statements(),
        current in prop::option::of(a_document()),
    ) {
        let Ok(plan) = reconcile(&desired, current.as_ref(), MERGE, &SidPrefix::default()) else { return Ok(()) };
        let after = carried_out(plan, current);
        let managed = after.iter().flat_map(|document| &document.statements);
        let managed = managed.filter(|statement| statement.sid().is_some_and(|sid| SidPrefix::default().owns(sid)));
        prop_assert_eq!(meanings(managed), meanings(&desired));
    }
}
