//! The function under callgrind, from its start to its first answer.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::door::{self, Certificate};

use crate::aws::{ACCOUNT, Aws, PARAMETER, REGION};
use crate::callgrind::Profile;
use crate::event::created;
use crate::lambda::{self, Step};

/// A process that has said nothing for so long has come to a stop: under valgrind a start takes seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// How the services are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// Over HTTP.
    Plain,
    /// Over HTTPS, as in AWS.
    Tls,
}

impl Backend {
    pub(crate) const ALL: [Backend; 2] = [Backend::Plain, Backend::Tls];
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Plain => "plain HTTP",
            Backend::Tls => "TLS",
        })
    }
}

/// Ends the process, whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

static VALGRIND: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join("valgrind")).find(|file| file.is_file());
    found.expect("there is no valgrind: install it, by `apt-get install valgrind` for instance")
});

/// Starts the program, gives it one event, and ends it once it has answered and asks for the next.
pub(crate) fn start(bootstrap: &Path, backend: Backend) -> Profile {
    assert!(bootstrap.is_file(), "there is no `{}`: `make test-budget` builds it", bootstrap.display());
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("budget");
    fs::create_dir_all(&scratch).unwrap();
    let aws = Aws::start("aws", ACCOUNT, REGION);
    let rule = json!({ "template": "organization-ou", "with": { "org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"] } });
    aws.set_parameter(&rule.to_string(), false);
    aws.set_repository(REGION, "team/app", None);
    let bundle = scratch.join("certificate.pem");
    let certificate = (backend == Backend::Tls).then(|| Certificate::of("127.0.0.1"));
    if let Some(certificate) = &certificate {
        fs::write(&bundle, &certificate.pem).unwrap();
    }
    let scheme = if certificate.is_some() { "https" } else { "http" };
    // Each service has an address of its own, as in AWS: with one for both, chance decides how many connections it takes.
    let [ssm, ecr] = [(); 2].map(|()| format!("{scheme}://{}", door::open(&aws.url(), certificate.as_ref())));
    let (sender, steps) = mpsc::channel();
    let runtime = lambda::serve(created("team/app").to_string(), sender);

    let (profile, log) = (scratch.join("callgrind.out"), scratch.join("log"));
    let output = File::create(&log).unwrap();
    let mut command = Command::new(&*VALGRIND);
    command
        .args(["--tool=callgrind", "--quiet", "--compress-strings=yes", "--compress-pos=yes"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(bootstrap)
        .env_clear()
        .envs([
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"),
            ("AWS_LAMBDA_FUNCTION_NAME", "ecr-autopolicy"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ecr-autopolicy"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/20/[$LATEST]0123456789abcdef"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TZ", ":UTC"),
            ("POLICY_PARAMETER", PARAMETER),
            ("AWS_ENDPOINT_URL_SSM", &ssm),
            ("AWS_ENDPOINT_URL_ECR", &ecr),
            ("AWS_LAMBDA_RUNTIME_API", &runtime.to_string()),
        ])
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output);
    if certificate.is_some() {
        command.env("AWS_CA_BUNDLE", &bundle);
    }
    let mut running = Running(command.spawn().expect("valgrind cannot be started"));
    let answer = wait(&mut running, &steps, &log);
    let Step::Answered(answer) = answer else {
        panic!("the function asks for an event before it has answered the first")
    };
    assert!(answer.contains("applied"), "the function answered {answer}\n{}", said(&log));
    assert_eq!(wait(&mut running, &steps, &log), Step::AsksForMore);
    // Callgrind writes what it has counted when the process is asked to end.
    kill_process(Pid::from_child(&running.0), Signal::TERM).unwrap();
    running.0.wait().unwrap();
    let profile = Profile::read(&fs::read_to_string(&profile).unwrap());
    assert!(profile.total() > 0, "callgrind counted nothing\n{}", said(&log));
    profile
}

fn wait(running: &mut Running, steps: &Receiver<Step>, log: &Path) -> Step {
    let pause = Duration::from_millis(100);
    let mut patience = PATIENCE;
    loop {
        if let Ok(step) = steps.recv_timeout(pause) {
            return step;
        }
        if let Some(status) = running.0.try_wait().unwrap() {
            panic!("the process ended with {status}\n{}", said(log));
        }
        patience = patience.saturating_sub(pause);
        assert!(!patience.is_zero(), "the process does not go on\n{}", said(log));
    }
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}
