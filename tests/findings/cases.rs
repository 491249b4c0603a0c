//! Configurations with something wrong in them.

/// What is wrong, and a configuration in which it is.
pub(crate) const CASES: &[(&str, &str)] = &[
    ("no JSON", "{\n  \"rules\": [\n    { \"template\": \"deny-pull\", }\n  ]\n}"),
    ("not an object", r#"["rules"]"#),
    ("nothing in it", "{}"),
    ("an unknown key", r#"{"ruels": []}"#),
    ("a key of a rule beside the rules", r#"{"rules": [], "template": "deny-pull"}"#),
    ("a key that stands twice", r#"{"template": "public-pull", "allow_public": false, "allow_public": true}"#),
    ("rules that are no list", r#"{"rules": {}}"#),
    ("a rule that is no object", r#"{"rules": ["deny-pull"]}"#),
    ("settings of the wrong type", r#"{"rules": [], "on_existing_policy": "overwrite", "allow_public": "yes"}"#),
    ("a rule without anything to give", r#"{"rules": [{"name": "Empty"}]}"#),
    ("a rule with both", r#"{"template": "deny-pull", "policy": {"Statement": []}}"#),
    (
        "rules without a name",
        r#"{"rules": [{"template": "deny-pull"}, {"template": "public-pull"}], "allow_public": true}"#,
    ),
    ("a name that is none", r#"{"name": "my rule", "template": "deny-pull"}"#),
    (
        "nothing where something is wanted",
        r#"{"name": null, "repositories": null, "tags": null, "template": "deny-pull", "with": null, "on_existing_policy": null}"#,
    ),
    (
        "two rules of one name",
        r#"{"rules": [{"name": "A", "template": "deny-pull"}, {"name": "A", "repositories": ["a/*"], "template": "deny-pull"}]}"#,
    ),
    (
        "patterns of the wrong type",
        r#"{"template": "deny-pull", "repositories": "team/*", "except": [], "tags": ["x"]}"#,
    ),
    ("patterns that match nothing", r#"{"template": "deny-pull", "repositories": ["Team/*", "team//app", 7]}"#),
    ("tags of the wrong type", r#"{"template": "deny-pull", "tags": {"team": ["pay"]}}"#),
    ("no tags", r#"{"template": "deny-pull", "tags": {}}"#),
    ("a rule that its exceptions empty", r#"{"template": "deny-pull", "repositories": ["team/*"], "except": ["*"]}"#),
    (
        "a rule that another one makes pointless",
        r#"{"rules": [
  {"name": "All", "template": "organization", "with": {"org_ids": ["o-a1b2c3d4e5"]}},
  {"name": "Team", "repositories": ["team/*"], "template": "organization", "with": {"org_ids": ["o-a1b2c3d4e5"]}}
]}"#,
    ),
    ("an unknown template", r#"{"template": "organisation-ou"}"#),
    ("a template that is like no other", r#"{"template": "everyone"}"#),
    ("a template that is no text", r#"{"template": 7}"#),
    ("missing variables", r#"{"template": "aws-service"}"#),
    ("variables that are no object", r#"{"template": "account-list", "with": ["444455556666"]}"#),
    (
        "variables for a policy",
        r#"{"policy": {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}}, "with": {}}"#,
    ),
    ("unknown variables", r#"{"template": "account-list", "with": {"acounts": ["444455556666"]}}"#),
    (
        "variables of the wrong type",
        r#"{"template": "account-list", "with": {"accounts": "444455556666", "access": ["Pull"]}}"#,
    ),
    ("an empty list", r#"{"template": "account-list", "with": {"accounts": []}}"#),
    (
        "an access level that is none",
        r#"{"template": "account-list", "with": {"accounts": ["444455556666"], "access": "ReadOnly"}}"#,
    ),
    (
        "account ids that are none",
        r#"{"template": "account-list", "with": {"accounts": ["4444-5555-6666", 444455556666]}}"#,
    ),
    ("organization ids that are none", r#"{"template": "organization", "with": {"org_ids": ["o-*"]}}"#),
    (
        "paths of units that match too much or nothing",
        r#"{"template": "organization-ou", "with": {"org_paths": [
  "r-ab12/ou-ab12-cd34ef56/*",
  "o-*/r-ab12/*",
  "o-a1b2c3d4e5/r-ab12/ou-ab12-1*",
  "o-a1b2c3d4e5/r-ab12/ou-ab12-1*/",
  "o-a1b2c3d4e5/r-ab12/ou-ab12-cd34ef56"
]}}"#,
    ),
    (
        "principals that are none",
        r#"{"template": "principals", "with": {"principals": ["*", "arn:aws:iam::*:root", "AIDAEXAMPLEEXAMPLE12"]}}"#,
    ),
    (
        "services and networks that are none",
        r#"{"rules": [
  {"name": "A", "template": "aws-service", "with": {"services": ["codebuild"], "source_accounts": ["444455556666"]}},
  {"name": "B", "template": "source-ip", "with": {"allow_cidrs": ["10.0.0.0/33"], "access": "Pull"}}
]}"#,
    ),
    (
        "a variable that is none",
        r#"{"Statement": [{"Effect": "Deny", "Principal": {"AWS": "${registry}"}, "Action": "ecr:*"}]}"#,
    ),
    (
        "a variable without its end",
        r#"{"Statement": [{"Effect": "Deny", "Principal": {"AWS": "${registry_id"}, "Action": "ecr:*"}]}"#,
    ),
    (
        "a variable in a key",
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"StringLike": {"aws:${region}": "x"}}}]}"#,
    ),
    ("a document that is none", r#"{"policy": "AllowPull"}"#),
    ("a document without statements", r#"{"policy": {"Version": "2012-10-17"}}"#),
    ("an empty document", r#"{"policy": {"Version": "2012-10-17", "Statement": []}}"#),
    (
        "unknown elements of a document",
        r#"{"policy": {"Version": "2020-01-01", "Id": "x", "Statements": [], "Statement": [7]}}"#,
    ),
    (
        "variables under an old version",
        r#"{"Version": "2008-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"StringLike": {"aws:x": "${aws:username}"}}}]}"#,
    ),
    ("a statement without anything", r#"{"Statement": [{}]}"#),
    (
        "a statement with a resource",
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Resource": "*"}]}"#,
    ),
    (
        "unknown elements of a statement",
        r#"{"Statement": [{"Sid": "Allow Pull", "Efect": "Deny", "Effect": "deny", "Principal": "*", "Action": "ecr:*"}]}"#,
    ),
    (
        "elements that exclude each other",
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "NotPrincipal": {"AWS": "444455556666"}, "Action": "ecr:*", "NotAction": "ecr:PutImage"}]}"#,
    ),
    (
        "principals of a statement",
        r#"{"Statement": [
  {"Effect": "Deny", "Principal": "444455556666", "Action": "ecr:*"},
  {"Effect": "Deny", "Principal": {"Account": "444455556666"}, "Action": "ecr:*"},
  {"Effect": "Deny", "Principal": {"AWS": ["arn:aws:iam::444455556666:role/*", "AROAEXAMPLEEXAMPLE12", "ci"], "Service": "lambda"}, "Action": "ecr:*"},
  {"Effect": "Deny", "Principal": {"AWS": []}, "Action": "ecr:*"},
  {"Effect": "Deny", "Principal": {"AWS": [7]}, "Action": "ecr:*"}
]}"#,
    ),
    (
        "actions of a statement",
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "PutImage", "ecr:PutImages", "ecr:Frobnicate*"]}, {"Effect": "Deny", "Principal": "*", "Action": 7}]}"#,
    ),
    (
        "conditions of a statement",
        r#"{"Statement": [
  {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": []},
  {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"StringEqual": {"aws:x": "y"}, "Bool": "true"}},
  {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"StringLike": {"PrincipalOrgID": "x", "aws:x": [], "aws:y": [null]}}},
  {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"NumericEquals": {"aws:x": "one"}, "DateEquals": {"aws:x": "today"}, "Bool": {"aws:x": "on"}, "IpAddress": {"aws:SourceIp": "home"}, "ArnLike": {"aws:SourceArn": "role/x"}, "BinaryEquals": {"aws:x": "~"}}},
  {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {"StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}, "ForAllValues:StringLike": {"aws:TagKeys": "x"}}}
]}"#,
    ),
    (
        "values that a key never has",
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Condition": {
  "StringEquals": {"aws:PrincipalAccount": ["1234"], "aws:PrincipalOrgID": "o-*"},
  "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/ou-ab12-1*"}
}}]}"#,
    ),
    (
        "statements with one id",
        r#"{"Statement": [{"Sid": "A", "Effect": "Deny", "Principal": "*", "Action": "ecr:*"}, {"Sid": "A", "Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}]}"#,
    ),
    ("a template that is open", r#"{"template": "public-pull"}"#),
    (
        "networks that are open",
        r#"{"template": "source-ip", "with": {"allow_cidrs": ["0.0.0.0/0"], "access": "Pull"}}"#,
    ),
    (
        "conditions that only look narrow",
        r#"{"Statement": [
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "pay"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "444455556666"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"ForAnyValue:StringEquals": {"aws:PrincipalAccount": "444455556666"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"StringLike": {"aws:PrincipalOrgID": "o-*"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "*/ou-ab12-cd34ef56/*"}}},
  {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage", "Condition": {"StringLike": {"aws:PrincipalAccount": "*", "aws:PrincipalArn": "arn:*:iam::444455556666:*", "aws:SourceVpc": "vpc-*"}}},
  {"Effect": "Allow", "NotPrincipal": {"AWS": "444455556666"}, "Action": "ecr:BatchGetImage"}
]}"#,
    ),
    (
        "a service that anyone may send",
        r#"{"Statement": [{"Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "ecr:BatchGetImage"}]}"#,
    ),
    (
        "power over the repository for others",
        r#"{"template": "principals", "with": {"principals": ["444455556666"], "access": "Full"}}"#,
    ),
];
