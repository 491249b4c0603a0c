//! What every command says of itself.

command!(help, "help");
command!(templates, "help templates");
command!(check, "help check");
command!(render, "help render");
command!(show, "help show");
command!(plan, "help plan");
command!(apply, "help apply");
command!(clear, "help clear");
command!(push, "help push");
command!(handle, "help handle");
command!(doctor, "help doctor");
command!(schema, "help schema");
command!(completions, "help completions");
command!(manual, "help manual");
command!(in_short, "plan -h");
command!(nothing_at_all, "");
command!(an_unknown_command, "chekc");
command!(an_unknown_option, "plan rules.json --patinece 3");
command!(a_missing_argument, "check");
command!(a_format_that_is_none, "check rules.json --output yaml");

/// Nobody can use a command that the overview leaves out.
#[test]
fn every_command_has_its_help_here() {
    let overview = crate::run("help", "");
    let commands = overview.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let snapshot = crate::stage::examples().join(format!("../snapshots/cli__help__{name}.snap"));
        assert!(snapshot.is_file(), "there is no `command!({name}, \"help {name}\");`");
    }
}
