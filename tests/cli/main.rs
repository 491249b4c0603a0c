//! The command line, whole commands at a time: what they print to which stream, and how they end.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests fail a test by panicking")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Runs a command in the folder of examples, with `input` on its standard input, and tells all that came of it.
fn run(arguments: &str, input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ecr-autopolicy"))
        .args(arguments.split_whitespace())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/examples"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    let stream = |name: &str, bytes: Vec<u8>| match String::from_utf8(bytes).unwrap() {
        text if text.is_empty() => String::new(),
        text => format!("--- {name} ---\n{text}"),
    };
    format!("exit {code}\n{}{}", stream("stdout", output.stdout), stream("stderr", output.stderr))
}

macro_rules! command {
    ($name:ident, $arguments:literal) => {
        command!($name, $arguments, "");
    };
    ($name:ident, $arguments:literal, $input:literal) => {
        #[test]
        fn $name() {
            insta::with_settings!({ description => $arguments, omit_expression => true }, {
                insta::assert_snapshot!(run($arguments, $input));
            });
        }
    };
}

command!(help, "help");
command!(help_of_check, "help check");
command!(help_of_render, "help render");
command!(help_of_templates, "help templates");
command!(help_of_schema, "help schema");
command!(help_of_completions, "help completions");
command!(an_unknown_command, "chekc");
command!(a_missing_argument, "check");

command!(templates_lists_them, "templates");
command!(templates_shows_one, "templates organization-ou");
command!(templates_shows_one_as_json, "templates deny-pull --output json");
command!(templates_tells_the_nearest_name, "templates organisation-ou");
command!(templates_tells_where_the_names_are, "templates everything");

command!(check_says_that_all_is_well, "check workloads.json");
command!(check_says_so_as_json, "check workloads.json --output json");
command!(check_tells_every_mistake, "check mistakes.json");
command!(check_tells_every_mistake_as_json, "check mistakes.json --output json");
command!(check_passes_with_warnings, "check full-access.json");
command!(check_reads_the_standard_input, "check -", "{}");
command!(check_takes_white_space_for_no_rules, "check -", " \n");
command!(check_needs_a_file, "check none.json");
command!(check_needs_a_prefix_that_can_be_one, "check workloads.json --prefix AutoPolicyTwo");

command!(render_prints_the_policy, "render workloads.json --repository team/app");
command!(render_adds_rules_up_and_explains, "render workloads.json --repository ci-cache/app --explain");
command!(render_knows_tags, "render workloads.json --repository sandbox/app --tag team=payments");
command!(render_says_that_no_rule_matches, "render workloads.json --repository sandbox/app");
command!(render_says_so_as_json, "render workloads.json --repository sandbox/app --output json");
command!(render_prints_json, "render workloads.json --repository ci-cache/app --output json");
command!(
    render_is_about_any_registry,
    "render lambda.json --repository app --region cn-north-1 --registry-id 999988887777"
);
command!(render_refuses_mistakes, "render mistakes.json --repository team/app");
command!(render_refuses_a_name_that_is_none, "render workloads.json --repository Team");
command!(render_refuses_a_tag_that_is_none, "render workloads.json --repository team/app --tag team");
command!(render_refuses_a_registry_that_is_none, "render workloads.json --repository team/app --registry-id 1");

#[test]
fn schema_prints_the_published_schema() {
    let published =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.schema.json")).unwrap();
    assert!(run("schema", "") == format!("exit 0\n--- stdout ---\n{published}"), "another schema than docs has");
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&format!("completions {shell}"), "");
        assert!(script.starts_with("exit 0\n--- stdout ---\n") && script.contains("templates"), "{script}");
    }
}
