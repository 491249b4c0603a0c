use super::*;
use crate::{
    policy::document::Document,
    repository::{Registry, Repository},
};

fn registry() -> Registry {
    Registry::new("111122223333", "eu-central-1").unwrap()
}

fn repository(name: &str) -> Repository {
    Repository::new(registry(), name).unwrap()
}

/// Every finding about the value, a line each.
#[track_caller]
fn check_findings(text: &str, expected: &[&str]) {
    let (_, mut findings) = Configuration::examine(text, &SidPrefix::default(), &registry());
    findings.0.iter_mut().for_each(|finding| finding.position = None);
    assert_eq!(findings.0.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text}");
}

fn desired(text: &str, name: &str, tags: &[(&str, &str)]) -> Desired {
    let (configuration, _) =
        Configuration::parse(text, &SidPrefix::default(), &registry()).unwrap_or_else(|findings| panic!("{findings}"));
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    configuration.desired(&repository(name), &tags, &SidPrefix::default()).unwrap()
}

/// The ids of the statements that a repository gets.
#[track_caller]
fn check_sids(text: &str, name: &str, tags: &[(&str, &str)], expected: &[&str]) {
    let desired = desired(text, name, tags);
    assert_eq!(desired.statements.iter().filter_map(Statement::sid).collect::<Vec<_>>(), expected, "{name} {tags:?}");
}

/// The whole document that a repository without a policy gets.
fn document(text: &str) -> String {
    let version = Some(Document::VERSION.to_owned());
    let document = Document { version, id: None, statements: desired(text, "team/app", &[]).statements };
    serde_json::to_string_pretty(&document.to_value()).unwrap()
}

#[test]
fn each_template_renders_the_document_that_it_promises() {
    let configurations = [
        r#"{"template":"organization-ou","with":{"org_paths":["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"]}}"#,
        r#"{"template":"organization","with":{"org_ids":["o-a1b2c3d4e5"],"access":"PullPush"}}"#,
        r#"{"template":"account-list","with":{"accounts":["444455556666","111122223333","444455556666"]}}"#,
        r#"{"template":"principals","with":{"principals":["444455556666","arn:aws:iam::444455556666:role/ci"],"access":"Push"}}"#,
        r#"{"template":"lambda-service","with":{"accounts":["444455556666","777788889999"]}}"#,
        r#"{"template":"aws-service","with":{"services":["codebuild.amazonaws.com"],"source_accounts":["444455556666"]}}"#,
        r#"{"template":"source-ip","with":{"allow_cidrs":["192.0.2.0/24"]}}"#,
        r#"{"template":"source-ip","with":{"allow_cidrs":["54.240.143.0/24"],"except_cidrs":["54.240.143.188/32"],"access":"Read"}}"#,
        r#"{"template":"public-pull","allow_public":true}"#,
        r#"{"template":"deny-pull"}"#,
    ];
    let documents = configurations.map(|text| format!("{text}\n{}", document(text)));
    insta::assert_snapshot!(documents.join("\n\n"));
}

#[test]
fn rules_add_up_where_they_match() {
    let rules = r#"{"rules":[
        {"name":"Everyone","except":["sandbox/*"],"template":"organization","with":{"org_ids":["o-a1b2c3d4e5"]}},
        {"name":"Ci","repositories":["ci-cache/*","*/ci"],"template":"account-list","with":{"accounts":["444455556666"],"access":"Push"}},
        {"name":"Pay","tags":{"team":"pay*","stage":"?"},"template":"deny-pull"}
    ]}"#;
    check_sids(rules, "team/app", &[], &["AutoPolicyEveryoneAllowPull"]);
    check_sids(rules, "ci-cache/x/y", &[], &["AutoPolicyEveryoneAllowPull", "AutoPolicyCiAllowPush"]);
    check_sids(rules, "sandbox/app", &[], &[]);
    check_sids(rules, "sandbox/ci", &[], &["AutoPolicyCiAllowPush"]);
    check_sids(rules, "sandbox/app", &[("team", "payments"), ("stage", "p")], &["AutoPolicyPayDenyPull"]);
    check_sids(rules, "sandbox/app", &[("team", "payments")], &[]);
    check_sids(rules, "sandbox/app", &[("team", "payments"), ("stage", "prod")], &[]);
    assert_eq!(desired(rules, "ci-cache/x", &[]).rules, ["Everyone", "Ci"]);
}

#[test]
fn tags_are_asked_for_only_where_they_decide() {
    let rules = r#"{"rules":[
        {"name":"A","template":"deny-pull"},
        {"name":"B","repositories":["pay/*"],"tags":{"team":"pay"},"template":"deny-pull"}
    ]}"#;
    let (configuration, _) = Configuration::parse(rules, &SidPrefix::default(), &registry()).unwrap();
    assert!(configuration.asks_for_tags(&repository("pay/app")));
    assert!(!configuration.asks_for_tags(&repository("team/app")));
}

#[test]
fn the_short_forms_say_the_same_as_one_rule() {
    check_sids(r#"{"template":"deny-pull"}"#, "team/app", &[], &["AutoPolicyDenyPull"]);
    check_sids(r#"{"template":"deny-pull","repositories":["x/*"],"on_existing_policy":"skip"}"#, "team/app", &[], &[]);
    check_sids(r#"{"name":"N","template":"deny-pull"}"#, "team/app", &[], &["AutoPolicyNDenyPull"]);
    check_sids(r#"{"rules":[{"template":"deny-pull"}]}"#, "team/app", &[], &["AutoPolicyDenyPull"]);
    let statement = r#"{"Effect":"Deny","Principal":"*","Action":"ecr:*"}"#;
    let named = r#"{"Sid":"Own","Effect":"Deny","Principal":"*","Action":"ecr:PutImage"}"#;
    check_sids(&format!(r#"{{"Statement":{statement}}}"#), "team/app", &[], &["AutoPolicyStatement1"]);
    check_sids(
        &format!(r#"{{"Version":"2012-10-17","Statement":[{named},{statement}]}}"#),
        "team/app",
        &[],
        &["AutoPolicyOwn", "AutoPolicyStatement2"],
    );
    check_sids(
        &format!(r#"{{"rules":[{{"name":"R","policy":{{"Statement":[{statement}]}}}}]}}"#),
        "team/app",
        &[],
        &["AutoPolicyRStatement1"],
    );
}

#[test]
fn white_space_or_an_empty_list_of_rules_is_no_rules() {
    for text in
        ["", " ", "\n\t ", r#"{"rules":[]}"#, r#"{"rules":[],"on_existing_policy":"replace","allow_public":true}"#]
    {
        assert_eq!(desired(text, "team/app", &[]), Desired::default(), "{text:?}");
    }
}

#[test]
fn a_policy_of_ones_own_knows_the_repository_and_keeps_iams_variables() {
    insta::assert_snapshot!(document(
        r#"{"rules":[{"name":"Own","policy":{"Version":"2012-10-17","Id":"ignored","Statement":[{
            "Effect":"Allow",
            "Principal":{"AWS":"arn:${partition}:iam::${registry_id}:role/${region}"},
            "Action":["ecr:BatchGetImage"],
            "Condition":{
                "StringEquals":{"aws:PrincipalTag/team":"${aws:PrincipalTag/team}","ecr:ResourceTag/x":["${*}","${?}","${$}"]},
                "StringLike":{"aws:userid":"${repository_name} ${repository_arn}"}
            }
        }]}}]}"#
    ));
}

#[test]
fn what_is_not_a_configuration_is_told_apart() {
    check_findings(
        "{}",
        &[
            r#"error at the top: neither rules, nor a template, nor a policy; write `{"rules": []}` for no rules, or `{"template": …, "with": …}` for one"#,
        ],
    );
    check_findings("[]", &["error at the top: the configuration is not a JSON object; write `{\"rules\": […]}`"]);
    check_findings(
        "{\n \"rules\": [,]\n}",
        &[
            "error at the top: the configuration is not JSON: expected value; look there for a missing or surplus comma, quote or brace",
        ],
    );
    check_findings(
        r#"{"Version":"2012-10-17"}"#,
        &[
            r#"error at the top: neither rules, nor a template, nor a policy; write `{"rules": []}` for no rules, or `{"template": …, "with": …}` for one"#,
            "error at `/Version`: unknown key `Version`; valid here: `rules`, `name`, `repositories`, `except`, `tags`, `template`, `with`, `policy`, `on_existing_policy`, `allow_public`",
        ],
    );
}

#[test]
fn every_mistake_is_found_at_once() {
    check_findings(
        r#"{"rules":[
            {"name":"A B","template":"organisation","with":{}},
            {"name":"X","repositorys":[],"repositories":[],"except":["Team/*",7],"tags":{},"policy":{"Statement":[]}},
            {"name":"X","template":"account-list","with":{"accounts":["1"],"acess":"Pull"}},
            {"template":"deny-pull","policy":{}},
            {"name":"Y"},
            {"name":"Z","with":{},"policy":{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":"*"}]}},
            7
        ],"on_existing_policy":"Merge","allow_public":"no"}"#,
        &[
            "error at `/rules/0/name`: `A B` is not a rule's name; write letters and digits, as `Workloads`",
            "error at `/rules/0/template`: unknown template `organisation`; did you mean `organization`?",
            "error at `/rules/1/repositorys`: unknown key `repositorys`; did you mean `repositories`?",
            r#"error at `/rules/1/repositories`: an empty list matches nothing; leave `repositories` out, or write `"repositories": ["team/*"]`"#,
            "error at `/rules/1/except/0`: `Team/*` can match no repository's name; names have lower-case letters, digits and single `.`, `_`, `-`, `/`; `*` and `?` stand for others",
            r#"error at `/rules/1/except/1`: text is wanted here; write `"except": ["team/*"]`"#,
            r#"error at `/rules/1/tags`: no tag is named; leave `tags` out, or write `"tags": {"team": "pay*"}`"#,
            "error at `/rules/1/policy/Statement`: an empty list says nothing; add a statement",
            "error at `/rules/2/name`: the name `X` stands at `/rules/1/name` already; give each rule a name of its own",
            "error at `/rules/2/with/accounts/0`: `1` is not an account id; write its 12 digits as text, as `111122223333`",
            "error at `/rules/2/with/acess`: unknown variable `acess`; did you mean `access`?",
            "error at `/rules/3`: `name` is missing, and there is more than one rule; add a name of letters and digits",
            "error at `/rules/3`: `template` and `policy` exclude each other; make two rules of it",
            "error at `/rules/4`: neither `template` nor `policy`; say what the repositories get",
            "error at `/rules/5/with`: `with` fills a template's variables, and this rule has a `policy`; take it away",
            r#"error at `/rules/5/policy/Statement/0`: the statement opens the repository to everyone in the world; narrow it with a condition such as `aws:PrincipalOrgID`, or add `"allow_public": true` if you mean it"#,
            "warning at `/rules/5/policy/Statement/0`: others than the registry's own account get `ecr:SetRepositoryPolicy`; that is power over the repository itself; write an access level such as `PullPush`, or single actions",
            "error at `/rules/5/policy/Statement/0/Resource`: ECR refuses `Resource`: a repository policy is always about its own repository; take it away, and say with the rule's `repositories` which ones get the policy",
            r#"error at `/rules/6`: a rule is an object; write `{"name": …, "template": …, "with": …}`"#,
            "error at `/on_existing_policy`: unknown value `Merge`; did you mean `merge`?",
            "error at `/allow_public`: true or false is wanted here; write it without quotes",
        ],
    );
}

#[test]
fn a_rule_with_a_broken_template_still_takes_its_name() {
    check_findings(
        r#"{"rules":[{"name":"X","template":"none"},{"name":"X","template":"deny-pull"}]}"#,
        &[
            "error at `/rules/0/template`: unknown template `none`; valid here: `account-list`, `aws-service`, `deny-pull`, `lambda-service`, `organization-ou`, `organization`, `principals`, `public-pull`, `source-ip`",
            "error at `/rules/1/name`: the name `X` stands at `/rules/0/name` already; give each rule a name of its own",
        ],
    );
}

#[test]
fn two_statements_never_share_an_id() {
    let statement = r#"{"Sid":"Same","Effect":"Deny","Principal":"*","Action":"ecr:*"}"#;
    check_findings(
        &format!(r#"{{"Statement":[{statement},{statement}]}}"#),
        &[
            "error at `/Statement/1`: the statement id `AutoPolicySame` stands at `/Statement/0` already; change the statement's `Sid` or the rule's `name`",
        ],
    );
    check_findings(
        &format!(
            r#"{{"rules":[{{"name":"A","policy":{{"Statement":[{}]}}}},{{"name":"AB","policy":{{"Statement":[{}]}}}}]}}"#,
            statement.replace("Same", "BC"),
            statement.replace("Same", "C"),
        ),
        &[
            "error at `/rules/1/policy/Statement/0`: the statement id `AutoPolicyABC` stands at `/rules/0/policy/Statement/0` already; change the statement's `Sid` or the rule's `name`",
        ],
    );
}

#[test]
fn an_unknown_variable_is_found_where_it_stands() {
    check_findings(
        r#"{"policy":{"Statement":[{"Effect":"Deny","Principal":{"AWS":"${registryid}"},"Action":["ecr:*"],"Condition":{"StringLike":{"a:${region}":"${actions"}}}]}}"#,
        &[
            "error at `/policy/Statement/0/Principal/AWS`: unknown variable `${registryid}`; did you mean `registry_id`?",
            "error at `/policy/Statement/0/Condition/StringLike`: variables are not replaced in keys, and `a:${region}` holds one; write the key out",
            "error at `/policy/Statement/0/Condition/StringLike/a:${region}`: `${` without its `}` in `${actions`; close it, or write `${$}{` for the text `${`",
        ],
    );
}

#[test]
fn nothing_opens_a_repository_to_the_world_by_accident() {
    let open = r#"{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}"#;
    let hint =
        r#"narrow it with a condition such as `aws:PrincipalOrgID`, or add `"allow_public": true` if you mean it"#;
    let other = r#"take a narrower template such as `organization`, or add `"allow_public": true` if you mean it"#;
    check_findings(
        r#"{"template":"public-pull"}"#,
        &[&format!("error at `/template`: the statement opens the repository to everyone in the world; {other}")],
    );
    check_findings(r#"{"template":"public-pull","allow_public":true}"#, &[]);
    check_findings(
        &format!(r#"{{"Statement":[{open}]}}"#),
        &[&format!("error at `/Statement/0`: the statement opens the repository to everyone in the world; {hint}")],
    );
    check_findings(&format!(r#"{{"policy":{{"Statement":[{open}]}},"allow_public":true}}"#), &[]);
    check_findings(
        r#"{"template":"source-ip","with":{"allow_cidrs":["0.0.0.0/0"],"access":"Pull"}}"#,
        &[&format!(
            "error at `/template`: the statement opens the repository to everyone in the world (`0.0.0.0/0` leaves `aws:SourceIp` open: write a network no wider than /8 (IPv4) or /32 (IPv6)); {other}"
        )],
    );
    check_findings(
        r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"ecr:BatchGetImage"}]}"#,
        &[
            "warning at `/Statement/0`: anyone's `codebuild.amazonaws.com` may do this, since no account is named for which it acts; add a condition on `aws:SourceAccount`",
        ],
    );
}

#[test]
fn what_is_open_for_one_repository_alone_is_refused_and_a_secret_is_not_quoted() {
    let text = r#"{"allow_public":true,"template":"public-pull"}"#;
    let (configuration, _) = Configuration::parse(text, &SidPrefix::default(), &registry()).unwrap();
    let refused = |secret| {
        let configuration = Configuration { allow_public: false, ..configuration.clone() }.kept_secret(secret);
        let desired = configuration.desired(&repository("team/app"), &Tags::new(), &SidPrefix::default());
        desired.unwrap_err().to_string()
    };
    assert!(refused(false).contains("public"), "{}", refused(false));
    assert!(!refused(true).contains("public"), "{}", refused(true));
    assert!(refused(true).contains("what is wrong is left out"), "{}", refused(true));
}
