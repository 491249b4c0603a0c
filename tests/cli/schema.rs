//! `schema`, `completions` and `manual`.

use crate::run;

command!(of_templates, "schema templates");
command!(of_check, "schema check");
command!(of_render, "schema render");
command!(of_show, "schema show");
command!(of_plan, "schema plan");
command!(of_push, "schema push");
command!(of_handle, "schema handle");
command!(of_doctor, "schema doctor");
command!(of_what_is_no_command, "schema everything");

#[test]
fn plan_apply_and_clear_print_the_same() {
    assert_eq!(run("schema apply", ""), run("schema plan", ""));
    assert_eq!(run("schema clear", ""), run("schema plan", ""));
}

#[test]
fn the_configuration_s_is_the_published_one() {
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

command!(completions_for_what_is_no_shell, "completions excel");

#[test]
fn the_manual_has_a_page_for_every_command() {
    let stage = crate::stage::Stage::new();
    let ran = stage.run("manual pages/man1");
    assert_eq!((ran.end.as_str(), ran.stderr.as_str()), ("exit 0", ""));
    let pages = ["templates", "check", "render", "show", "plan", "apply", "clear", "push", "handle", "doctor"];
    for page in pages.map(|page| format!("-{page}")).into_iter().chain([String::new()]) {
        let page = stage.path(&format!("pages/man1/ecr-autopolicy{page}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(".TH"), "{}", page.display());
    }
    snapshot!(stage.run("manual rules.json").told());
}
