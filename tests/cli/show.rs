//! `show`.

use serde_json::json;

use crate::{
    aws::{Fault, GetRepositoryPolicy},
    stage::Stage,
};

session!(tells_ours_from_theirs, Stage::registry(), "show");
session!(prints_whole_statements, Stage::registry(), "show --repository sandbox/shared --full");
session!(prints_json, Stage::registry(), "show --repository sandbox/* --repository team/app --output json");
session!(knows_another_prefix, Stage::registry(), "show --repository sandbox/shared --prefix Partner");
session!(has_nothing_to_show, Stage::new(), "show", "show --output json");
session!(
    tells_every_kind_of_statement_in_a_line,
    Stage::new().live(
        "team/odd",
        &[
            json!({ "Effect": "Deny", "NotPrincipal": { "AWS": "777788889999" }, "NotAction": "ecr:PutImage" }),
            json!({
                "Sid": "Several", "Effect": "Allow", "Action": "ecr:*",
                "Principal": { "AWS": ["777788889999", "444455556666"], "Service": "codebuild.amazonaws.com" },
                "Condition": {
                    "StringEquals": { "aws:SourceAccount": "777788889999" },
                    "ArnLike": { "aws:SourceArn": "arn:aws:codebuild:*:777788889999:project/*" }
                }
            }),
        ],
    ),
    "show",
);
session!(
    goes_on_past_what_cannot_be_read,
    Stage::registry().fault_of("sandbox/ours", GetRepositoryPolicy, Fault::Denied).fault_of(
        "team/web",
        GetRepositoryPolicy,
        Fault::RepositoryVanishes
    ),
    "show",
    "show --output json",
);
