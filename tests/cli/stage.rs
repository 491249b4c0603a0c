//! A registry and a parameter on loopback, a folder with the examples, and the command line between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::{
    aws::{
        ACCOUNT, Aws, Call, DeleteRepositoryPolicy, Fault, Often, Operation, PARAMETER, REGION, SetRepositoryPolicy,
        as_ecr_answers,
    },
    json,
};

/// What no output may contain.
const SECRET: &str = "a-secret-that-nobody-may-see";
const TOKEN: &str = "a-session-token-that-nobody-may-see";

/// How long a test waits for something that should have happened long ago.
const PATIENCE: Duration = Duration::from_secs(40);

/// The command line with this environment alone, in this folder.
pub(crate) fn command(arguments: &str, folder: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new("/usr/bin/env");
    // Tests that run in the background hand on that Ctrl-C is ignored.
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_ecr-autopolicy")]);
    command.args(arguments.split_whitespace()).current_dir(folder).env_clear().envs(environment);
    command
}

/// What is there before a command runs.
pub(crate) struct Stage {
    aws: Aws,
    folder: TempDir,
    environment: BTreeMap<String, String>,
    secrets: Vec<String>,
}

/// What came of a command.
pub(crate) struct Ran {
    arguments: String,
    /// `exit 0`, or the signal that ended it.
    pub(crate) end: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What AWS was asked.
    pub(crate) calls: Vec<Call>,
}

/// A command that has been started.
pub(crate) struct Running<'a> {
    stage: &'a Stage,
    arguments: String,
    child: Child,
    stderr: NamedTempFile,
    calls_before: usize,
}

impl Stage {
    /// An empty registry in `eu-west-1`, no parameter, and the examples in the current folder.
    pub(crate) fn new() -> Stage {
        let aws = Aws::start("aws", ACCOUNT, REGION);
        let folder = TempDir::new().unwrap();
        for example in fs::read_dir(examples()).unwrap() {
            let example = example.unwrap();
            fs::copy(example.path(), folder.path().join(example.file_name())).unwrap();
        }
        let home = folder.path().to_str().unwrap().to_owned();
        let environment = [
            ("AWS_ENDPOINT_URL", aws.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("HOME", home),
        ];
        let environment = environment.map(|(key, value)| (key.to_owned(), value)).into();
        Stage { aws, folder, environment, secrets: vec![SECRET.to_owned(), TOKEN.to_owned()] }
    }

    /// Repositories of every kind, for the configuration in `rules.json`.
    pub(crate) fn registry() -> Stage {
        let ours = ours("Workloads", "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*");
        let old = self::ours("Workloads", "o-a1b2c3d4e5/*/ou-ab12-00000000/*");
        Stage::new()
            .repository("ci-cache/app")
            .repository("team/app")
            .repository("team/web")
            .live("sandbox/theirs", &[theirs()])
            .live("sandbox/ours", std::slice::from_ref(&old))
            .live("sandbox/shared", &[theirs(), old.clone()])
            .live("team/function", &[lambda_s_own()])
            .live("team/old", &[old])
            .live("team/same", &[ours])
    }

    /// There are so many repositories without a policy.
    pub(crate) fn repositories(mut self, number: usize) -> Stage {
        for number in 0..number {
            self = self.repository(&format!("many/r{number:04}"));
        }
        self
    }

    /// There is a repository without a policy.
    pub(crate) fn repository(self, name: &str) -> Stage {
        self.aws.set_repository(REGION, name, None);
        self
    }

    /// There is a repository with these statements.
    pub(crate) fn live(self, name: &str, statements: &[Value]) -> Stage {
        self.set_policy(name, statements);
        self
    }

    /// There is a repository with this policy.
    pub(crate) fn document(self, name: &str, policy: Option<&Value>) -> Stage {
        let policy = policy.map(|policy| as_ecr_answers(&policy.to_string(), "aws"));
        self.aws.set_repository(REGION, name, policy.as_deref());
        self
    }

    /// Somebody else gives a repository these statements.
    pub(crate) fn set_policy(&self, name: &str, statements: &[Value]) {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        self.aws.set_repository(REGION, name, Some(&as_ecr_answers(&document.to_string(), "aws")));
    }

    /// The parameter holds what is in this file of the folder.
    pub(crate) fn parameter(self, file: &str) -> Stage {
        self.aws.set_parameter(&fs::read_to_string(self.path(file)).unwrap(), false);
        self
    }

    /// The parameter is a `SecureString`, and nothing of its value may be printed.
    pub(crate) fn secret_parameter(mut self, value: &str) -> Stage {
        self.aws.set_parameter(value, true);
        self.secrets.push(value.to_owned());
        self
    }

    /// There is a file in the folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Stage {
        fs::write(self.path(name), text).unwrap();
        self
    }

    /// The text must not be printed.
    pub(crate) fn secret(mut self, text: &str) -> Stage {
        self.secrets.push(text.to_owned());
        self
    }

    /// The environment has this variable.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Stage {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The environment does not have this variable.
    pub(crate) fn without_env(mut self, key: &str) -> Stage {
        self.environment.remove(key);
        self
    }

    /// An operation fails.
    pub(crate) fn fault(self, operation: Operation, fault: Fault) -> Stage {
        self.aws.set_fault(operation, fault, Often::Always);
        self
    }

    /// An operation fails for one repository.
    pub(crate) fn fault_of(self, repository: &str, operation: Operation, fault: Fault) -> Stage {
        self.aws.set_fault_of(repository, operation, fault, Often::Always);
        self
    }

    /// The services.
    pub(crate) fn aws(&self) -> &Aws {
        &self.aws
    }

    /// A file of the folder.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The environment of a command.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs a command with this on its standard input.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &str, input: &str) -> Ran {
        let mut running = self.start(arguments);
        // A command that ends without reading its input closes the pipe.
        let _ = running.child.stdin.take().unwrap().write_all(input.as_bytes());
        running.end()
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &str) -> Running<'_> {
        let calls_before = self.aws.calls().len();
        let stderr = NamedTempFile::new().unwrap();
        let child = command(arguments, self.folder.path(), &self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.reopen().unwrap())
            .spawn()
            .unwrap();
        Running { stage: self, arguments: arguments.to_owned(), child, stderr, calls_before }
    }

    /// The repositories that AWS has had calls of this operation for.
    pub(crate) fn asked(&self, operation: Operation) -> BTreeSet<String> {
        let calls = self.aws.calls().into_iter().filter(|call| call.operation == operation);
        calls.filter_map(|call| Some(call.body["repositoryName"].as_str()?.to_owned())).collect()
    }

    /// Waits until calls of this operation are open, and no more come: as many as are made at once.
    #[track_caller]
    pub(crate) fn wait_until_held(&self, operation: Operation) -> BTreeSet<String> {
        wait_for(|| {
            let before = self.asked(operation).len();
            std::thread::sleep(Duration::from_millis(400));
            before > 0 && self.asked(operation).len() == before
        });
        self.asked(operation)
    }

    /// The text without what is different each time.
    pub(crate) fn in_fixed_words(&self, text: &str) -> String {
        let text = text.replace(&self.aws.url(), "http://loopback");
        let text = text.replace(self.folder.path().to_str().unwrap(), "FOLDER");
        let mut parts = text.split("(os error ");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| {
            text + "(os error" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
        })
    }

    /// Fails where something that was printed must not be.
    #[track_caller]
    pub(crate) fn check_secrets(&self, printed: &str) {
        for secret in &self.secrets {
            assert!(!printed.contains(secret.as_str()), "`{secret}` was printed:\n{printed}");
        }
    }
}

impl Running<'_> {
    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// Waits until it has said this on stderr.
    #[track_caller]
    pub(crate) fn wait_for_note(&self, text: &str) {
        wait_for(|| fs::read_to_string(self.stderr.path()).unwrap().contains(text));
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(self) -> Ran {
        let Running { stage, arguments, child, stderr, calls_before } = self;
        let Output { status, stdout, .. } = child.wait_with_output().unwrap();
        let end = status.code().map_or_else(|| status.to_string(), |code| format!("exit {code}"));
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), fs::read_to_string(stderr.path()).unwrap());
        let offences = stage.aws.offences();
        assert!(offences.is_empty(), "{}", offences.join("\n"));
        stage.check_secrets(&format!("{stdout}{stderr}"));
        check_words(&format!("{stdout}{stderr}"));
        if arguments.contains("--output json") && !stdout.is_empty() {
            json::check_output(&arguments, &stdout);
        }
        let [stdout, stderr] = [stdout, stderr].map(|text| stage.in_fixed_words(&text));
        let calls = stage.aws.calls().split_off(calls_before);
        Ran { arguments, end, stdout, stderr, calls }
    }
}

impl Ran {
    /// All that came of it, as one reads it on a terminal.
    pub(crate) fn told(&self) -> String {
        // The policy is read beside the configuration: where that fails, it may be asked for or not.
        if self.arguments.starts_with("handle") && self.stderr.contains("error: Configuration") {
            return self.told_without_calls();
        }
        let calls = match self.counts().as_slice() {
            [] => "none".to_owned(),
            counts => counts.join(", "),
        };
        self.tell(&format!("calls: {calls}\n"))
    }

    /// The same where the number of calls depends on how often one was tried.
    pub(crate) fn told_without_calls(&self) -> String {
        self.tell("")
    }

    fn tell(&self, calls: &str) -> String {
        let stream = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("--- {name} ---\n{text}"),
        };
        let (out, err) = (stream("stdout", &self.stdout), stream("stderr", &self.stderr));
        format!("$ ecr-autopolicy {}\n{}\n{calls}{out}{err}", self.arguments, self.end)
    }

    fn counts(&self) -> Vec<String> {
        let count = |operation| self.calls.iter().filter(|call| call.operation == operation).count();
        let counts = Operation::KNOWN.map(|operation| (operation, count(operation)));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        counts.map(|(operation, count)| format!("{count} {operation:?}")).collect()
    }

    /// What it printed as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The policies that it wrote, by repository; `null` where it deleted one.
    pub(crate) fn written(&self) -> BTreeMap<String, Value> {
        let written = self.calls.iter().filter(|call| is_write(call.operation)).map(|call| {
            let policy = call.body["policyText"].as_str().map(|text| serde_json::from_str(text).unwrap());
            (call.body["repositoryName"].as_str().unwrap().to_owned(), policy.unwrap_or_default())
        });
        written.collect()
    }
}

/// Fails where something was printed that only its programmer understands.
#[track_caller]
pub(crate) fn check_words(printed: &str) {
    for word in ["ServiceError", "Unhandled", "SdkBody", "Some(", "None,", "panicked at"] {
        assert!(!printed.contains(word), "`{word}` was printed:\n{printed}");
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_for(so: impl Fn() -> bool) {
    let mut patience = PATIENCE;
    let pause = Duration::from_millis(5);
    while !so() {
        assert!(!patience.is_zero(), "it never happened");
        std::thread::sleep(pause);
        patience = patience.saturating_sub(pause);
    }
}

/// Presses Ctrl-C where there is no keyboard.
pub(crate) fn interrupt(child: &Child) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::INT).unwrap();
}

/// The folder of examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/examples")
}

/// The name of the parameter in the examples.
pub(crate) fn parameter() -> &'static str {
    PARAMETER
}

fn is_write(operation: Operation) -> bool {
    matches!(operation, SetRepositoryPolicy | DeleteRepositoryPolicy)
}

/// A statement as our rules write it.
pub(crate) fn ours(rule: &str, path: &str) -> Value {
    json!({
        "Sid": format!("AutoPolicy{rule}AllowPull"),
        "Effect": "Allow",
        "Principal": "*",
        "Action": [
            "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages",
            "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer"
        ],
        "Condition": { "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": [path] } }
    })
}

/// A statement that somebody else wrote.
pub(crate) fn theirs() -> Value {
    json!({
        "Sid": "Partner",
        "Effect": "Allow",
        "Principal": { "AWS": "777788889999" },
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    })
}

/// The statement that Lambda adds where it runs an image.
pub(crate) fn lambda_s_own() -> Value {
    json!({
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": { "Service": "lambda.amazonaws.com" },
        "Action": [
            "ecr:BatchGetImage", "ecr:DeleteRepositoryPolicy", "ecr:GetDownloadUrlForLayer",
            "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"
        ],
        "Condition": { "StringLike": { "aws:sourceArn": "arn:aws:lambda:eu-west-1:123456789012:function:*" } }
    })
}
