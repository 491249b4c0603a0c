//! On a terminal: the question, the progress bar, the colours.

use std::{
    collections::BTreeMap,
    fs::{File, read_to_string},
    io::{Read, Write},
    num::NonZeroU16,
    process::Child,
    sync::{Arc, Mutex},
    thread::{JoinHandle, spawn},
};

use pty_process::{Size, blocking};
use vt100::{Color, Parser};

use crate::{
    aws::{Fault, GetRepositoryPolicy, Operation, SetRepositoryPolicy},
    stage::{Stage, check_words, command, wait_for},
};

const ROWS: u16 = 200;
const COLUMNS: u16 = 110;

/// A command on a terminal.
struct Terminal<'a> {
    stage: &'a Stage,
    arguments: String,
    child: Child,
    keyboard: blocking::Pty,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

/// What the command wrote.
struct Seen {
    screen: Parser,
    bytes: Vec<u8>,
}

impl Seen {
    fn new() -> Seen {
        let [rows, columns] = [ROWS, COLUMNS].map(|number| NonZeroU16::new(number).unwrap());
        Seen { screen: Parser::new(rows, columns, 0), bytes: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.screen.process(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// Everything that was ever written, without a word of what was done to it later.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A command that has ended, and what is left on the screen.
struct Left {
    end: String,
    seen: Seen,
}

impl<'a> Terminal<'a> {
    fn start(stage: &'a Stage, arguments: &str) -> Terminal<'a> {
        Self::start_with(stage, arguments, None)
    }

    /// The same with the standard output in a file, as behind `>`.
    fn start_with(stage: &'a Stage, arguments: &str, stdout: Option<File>) -> Terminal<'a> {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(ROWS, COLUMNS)).unwrap();
        let mut environment: BTreeMap<_, _> = stage.environment().clone();
        environment.entry("TERM".to_owned()).or_insert_with(|| "xterm-256color".to_owned());
        let mut child: blocking::Command = command(arguments, &stage.path(""), &environment).into();
        if let Some(stdout) = stdout {
            child = child.stdout(stdout);
        }
        let child = child.spawn(pts).unwrap();
        let seen = Arc::new(Mutex::new(Seen::new()));
        let mut screen = File::from(rustix::io::dup(&pty).unwrap());
        let reader = {
            let seen = Arc::clone(&seen);
            spawn(move || {
                let mut buffer = [0; 4096];
                // The end of the process is an error here, and no end of a file.
                while let Ok(read @ 1..) = screen.read(&mut buffer) {
                    seen.lock().unwrap().add(&buffer[..read]);
                }
            })
        };
        Terminal { stage, arguments: arguments.to_owned(), child, keyboard: pty, seen, reader }
    }

    /// Waits until this stands on the screen.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_for(|| self.seen.lock().unwrap().screen.screen().contents().contains(text));
    }

    /// Presses these keys.
    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    fn end(self) -> Left {
        let Terminal { stage, arguments, mut child, keyboard, seen, reader } = self;
        let status = child.wait().unwrap();
        drop(keyboard);
        reader.join().unwrap();
        let end = status.code().map_or_else(|| status.to_string(), |code| format!("exit {code}"));
        let seen = Arc::into_inner(seen).unwrap().into_inner().unwrap();
        stage.check_secrets(&seen.text());
        check_words(&seen.text());
        let offences = stage.aws().offences();
        assert!(offences.is_empty(), "{}", offences.join("\n"));
        Left { end: format!("$ ecr-autopolicy {arguments}\n{end}"), seen }
    }
}

impl Left {
    fn told(&self, stage: &Stage) -> String {
        let screen = self.seen.screen.screen().contents();
        let lines = screen.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        format!("{}\n--- screen ---\n{}\n", self.end, stage.in_fixed_words(&lines))
    }

    /// The colour of the place where this text begins.
    #[track_caller]
    fn color(&self, text: &str) -> Color {
        let screen = self.seen.screen.screen();
        let rows = screen.rows(0, COLUMNS).collect::<Vec<_>>();
        let found = rows.iter().zip(0..).find_map(|(row, line)| {
            let place = row.find(text)?;
            Some((line, u16::try_from(row[..place].chars().count()).unwrap()))
        });
        let (row, column) = found.unwrap_or_else(|| panic!("no `{text}` in\n{}", screen.contents()));
        screen.cell(row, column).unwrap().fgcolor()
    }
}

/// How often AWS was called.
fn calls(stage: &Stage, operation: Operation) -> usize {
    stage.aws().calls().iter().filter(|call| call.operation == operation).count()
}

/// Starts a command, answers its question, and waits for its end.
#[track_caller]
fn answered(stage: &Stage, arguments: &str, keys: &str) -> Left {
    let mut terminal = Terminal::start(stage, arguments);
    terminal.wait_for("[y/N]");
    assert_eq!(calls(stage, SetRepositoryPolicy), 0, "it did not wait for the answer");
    terminal.press(keys);
    terminal.end()
}

#[test]
fn apply_shows_the_plan_asks_and_does_it() {
    let stage = Stage::registry();
    snapshot!(answered(&stage, "apply rules.json", "y\n").told(&stage));
    assert_eq!(stage.run("plan rules.json --detailed-exitcode").end, "exit 0");
}

#[test]
fn apply_does_nothing_where_the_answer_is_no() {
    // The last is Ctrl-D, the end of the input.
    for keys in ["n\n", "\n", "yess\n", "\x04"] {
        let stage = Stage::registry();
        let left = answered(&stage, "apply rules.json --repository team/old", keys);
        assert!(left.end.ends_with("exit 1"), "{keys:?}: {}", left.told(&stage));
        assert_eq!(calls(&stage, SetRepositoryPolicy), 0, "{keys:?}");
    }
    let stage = Stage::registry();
    snapshot!(answered(&stage, "apply rules.json --repository team/old", "n\n").told(&stage));
}

#[test]
fn ctrl_c_at_the_question_is_an_interruption() {
    let stage = Stage::registry();
    let left = answered(&stage, "apply rules.json --repository team/old", "\x03");
    assert_eq!(calls(&stage, SetRepositoryPolicy), 0);
    assert!(left.end.ends_with("exit 130"), "{}", left.told(&stage));
    snapshot!(left.told(&stage));
}

#[test]
fn apply_asks_nothing_where_there_is_nothing_to_do() {
    let stage = Stage::registry();
    snapshot!(Terminal::start(&stage, "apply rules.json --repository team/same").end().told(&stage));
}

#[test]
fn apply_asks_nothing_where_it_was_told_yes() {
    let stage = Stage::registry();
    snapshot!(Terminal::start(&stage, "apply rules.json --repository team/old --yes").end().told(&stage));
}

#[test]
fn apply_does_what_was_shown_and_not_what_has_changed_since() {
    let stage = Stage::registry();
    let mut terminal = Terminal::start(&stage, "apply rules.json --repository team/*");
    terminal.wait_for("[y/N]");
    stage.set_policy("team/old", &[crate::stage::theirs()]);
    terminal.press("y\n");
    snapshot!(terminal.end().told(&stage));
}

#[test]
fn a_saved_plan_is_asked_about_too() {
    let stage = Stage::registry();
    assert_eq!(stage.run("plan rules.json --save today.plan").end, "exit 0");
    snapshot!(answered(&stage, "apply --plan today.plan", "y\n").told(&stage));
}

#[test]
fn clear_asks() {
    let stage = Stage::registry();
    snapshot!(answered(&stage, "clear", "y\n").told(&stage));
}

#[test]
fn push_asks() {
    let stage = Stage::registry().parameter("workloads.json");
    let arguments = "push rules.json --parameter /ecr-autopolicy/configuration";
    let no = answered(&stage, arguments, "n\n").told(&stage);
    let yes = answered(&stage, arguments, "y\n").told(&stage);
    snapshot!([no, yes].join("\n"));
}

#[test]
fn the_progress_is_shown_and_taken_away() {
    let stage = Stage::new().repositories(30).fault_of("many/r0012", GetRepositoryPolicy, Fault::Held);
    let terminal = Terminal::start(&stage, "plan rules.json");
    terminal.wait_for("/30");
    stage.aws().release();
    let left = terminal.end();
    let (bar, screen) = (left.seen.text(), left.told(&stage));
    assert!(bar.contains("/s, ") && bar.contains(" left"), "no rate and no time left: {bar:?}");
    assert!(!screen.contains("/30"), "the bar is left behind: {screen}");
    assert!(screen.contains("30 to change"), "{screen}");
}

#[test]
fn the_progress_and_the_question_are_beside_the_result() {
    let stage = Stage::registry();
    let file = stage.path("result.txt");
    let mut terminal = Terminal::start_with(&stage, "apply rules.json", Some(File::create(&file).unwrap()));
    terminal.wait_for("[y/N]");
    terminal.press("y\n");
    let left = terminal.end();
    let (screen, result) = (left.told(&stage), read_to_string(&file).unwrap());
    assert!(left.seen.text().contains("/9, "), "no progress on the terminal: {screen}");
    assert!(!result.contains(['\x1b', '\r', '?']), "something else than the result: {result}");
    assert!(result.contains("5 to change") && result.ends_with("0 unchanged, 0 skipped\n"), "{result}");
    snapshot!(screen);
}

#[test]
fn colours_are_for_a_terminal() {
    let stage = Stage::registry();
    let left = Terminal::start(&stage, "plan rules.json").end();
    for (text, color) in [
        ("+ team/app", Color::Idx(2)),
        ("~ team/old", Color::Idx(3)),
        ("- sandbox/ours", Color::Idx(1)),
        ("+   \"Effect\"", Color::Idx(2)),
    ] {
        assert_eq!(left.color(text), color, "{text}");
    }
    let error = Terminal::start(&stage, "plan none.json").end();
    assert_eq!(error.color("error"), Color::Idx(1));
}

#[test]
fn there_are_no_colours_where_no_color_is_set() {
    for arguments in ["plan rules.json", "plan none.json", "check mistakes.json", "show", "help plan"] {
        let stage = Stage::registry().env("NO_COLOR", "1");
        let text = Terminal::start(&stage, arguments).end().seen.text();
        let colours = text.split('\x1b').skip(1).filter(|sequence| sequence.split('m').next().is_some_and(is_style));
        assert_eq!(colours.collect::<Vec<_>>(), Vec::<&str>::new(), "{arguments}");
    }
}

/// Whether this is the inside of a sequence that sets colours, and does more than to reset them.
fn is_style(sequence: &str) -> bool {
    sequence.strip_prefix('[').is_some_and(|codes| {
        !["", "0"].contains(&codes) && codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
    })
}
