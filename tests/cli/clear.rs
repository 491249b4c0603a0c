//! `clear`.

use crate::{
    aws::{DeleteRepositoryPolicy, Fault},
    stage::Stage,
};

session!(takes_our_statements_away_and_nothing_else, Stage::registry(), "clear --yes", "show", "clear --yes");
session!(prints_json, Stage::registry(), "clear --yes --repository sandbox/* --output json");
session!(is_for_some_repositories, Stage::registry(), "clear --yes --repository sandbox/ours");
session!(knows_another_prefix, Stage::registry(), "clear --yes --prefix Partner", "show --repository sandbox/*");
session!(needs_consent_where_nobody_can_be_asked, Stage::registry(), "clear");
session!(
    goes_on_past_a_repository_that_fails,
    Stage::registry().fault_of("sandbox/ours", DeleteRepositoryPolicy, Fault::Denied),
    "clear --yes",
);
