"""Measures the function's start and its events beside other ways to write it, against SSM and ECR on loopback.

`start.py --ours PATH --ours PATH` compares builds of the function alone.
"""

import argparse
import datetime
import gzip
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sweep import machine, words

HERE = Path(__file__).parent
ROOT = HERE.parent
SCRATCH = HERE / "target/start"
MEASURE = HERE / "target/release/measure-start"
BOOTSTRAP = ROOT / ".aws-sam/local/Function/bootstrap"
PYTHON = HERE / "peers/python"
NODE = HERE / "peers/node"
NODE_PROGRAM = Path(shutil.which("node") or "node")
REPORT = ROOT / "docs/benchmarks.md"

COLDS = 20
WARMS = 500
DELAY = 20
LINEAR = 1.5
QUIET = 0.5
BACKENDS = {"tls": "TLS", "plain": "plain HTTP"}

# What Lambda gives a function. No file of the user's counts, since this home is empty.
LAMBDA = {
    "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": ":UTC", "HOME": str(SCRATCH / "home"),
    "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "ecr-autopolicy",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/ecr-autopolicy", "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/20/[$LATEST]0",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLETOKEN" * 16, "POLICY_PARAMETER": "/ecr-autopolicy/configuration",
}  # fmt: skip

OURS = "ecr-autopolicy"
BOTO3 = "Python, boto3"
BUNDLED = "Node, bundled SDK"
DEFAULTS = "Rust, the SDK's defaults"
LEAN = "Rust, the SDK at its least"
HELLO = "Rust, hello world"

# What every dependency is for that takes a share of the program worth mentioning.
PURPOSE = {
    "std": "Rust's standard library",
    "ecr_autopolicy": "the function itself",
    "bootstrap": "its start",
    "aws_runtime": "signed requests, and which errors pass by themselves",
    "aws_sdk_ecr": "repository policies, tags, the list of repositories",
    "aws_sdk_sqs": "the work queue",
    "aws_sdk_ssm": "the configuration's parameter",
    "aws_sigv4": "signatures of requests",
    "aws_smithy_http_client": "the SDK's HTTP client: connections, their pool, proxies",
    "aws_smithy_json": "JSON of the AWS APIs",
    "aws_smithy_runtime": "the SDK's way from a call to its answer",
    "aws_smithy_runtime_api": "the parts that this way is put together from",
    "aws_smithy_types": "what the SDK's crates share: configuration, documents, times",
    "gimli": "names of functions in a panic's trace, part of the standard library",
    "h2": "HTTP/2, which the HTTP client speaks where an endpoint offers it",
    "hashbrown": "hash maps, part of the standard library",
    "http": "requests and responses",
    "hyper": "HTTP",
    "hyper_util": "HTTP: the Runtime API's client",
    "lambda_runtime": "the loop of Lambda's Runtime API",
    "lambda_runtime_api_client": "its client, with the HTTP that is inlined into it",
    "regex_lite": "the SDK's patterns of Region names",
    "ring": "TLS's arithmetic: keys, signatures, encryption",
    "rustls": "TLS",
    "serde_core": "JSON to values",
    "serde_json": "JSON: events, policies, the configuration",
    "serde_path_to_error": "which field of an event is wrong",
    "tokio": "the runtime: sockets, clocks, tasks",
    "tracing_subscriber": "the log",
    "webpki": "certificates",
    "[Unknown]": "what is no Rust: above all ring's assembly",
}
MENTIONED = 0.01


@dataclass
class Subject:
    """One way to write the function."""

    name: str
    command: list
    # The variables by which it is told what certificates to trust.
    certificates: list
    environment: dict = field(default_factory=dict)
    idle: bool = False
    # The file of what it trusts in Lambda, where that is not part of the program.
    roots: Path | None = None
    # What is deployed, and how many packages it is made of.
    deployed: Path | None = None
    packages: object = None
    figures: dict = field(default_factory=dict)

    def planned(self, key):
        return {
            "key": key, "command": words(self.command), "environment": LAMBDA | self.environment,
            "certificates": self.certificates, "idle": self.idle, "roots": self.roots and str(self.roots),
        }  # fmt: skip

    def median(self, backend, figure):
        values = self.figures.get(backend, {}).get(figure)
        return statistics.median(values) if values else None

    def memory(self, backend, what):
        values = self.figures.get(backend, {}).get("memory")
        return values[0][what] if values else None

    @cached_property
    def gzip(self):
        return len(gzip.compress(self.deployed.read_bytes(), 9)) if self.deployed else None

    @cached_property
    def package_count(self):
        return self.packages() if self.packages else None


def crates(manifest, package):
    """Those that are linked into the program; what only helps to compile it is not."""
    host = re.search(r"host: (.*)", run("rustc", "-vV"))[1]
    tree = run(
        "cargo", "tree", "--quiet", "--manifest-path", manifest, "--package", package, "--prefix", "none", "--format", "{p}",
        "--edges", "normal,no-proc-macro", "--target", host,
    )  # fmt: skip
    return len({line.removesuffix(" (*)") for line in tree.splitlines()}) - 1


def run(*command, **options):
    return subprocess.run(words(command), stdout=subprocess.PIPE, text=True, check=True, **options).stdout


def node_packages():
    return len(run("npm", "ls", "--all", "--omit=dev", "--parseable", cwd=NODE).splitlines()) - 1


def python_packages():
    return len(re.findall(r"^[\w.-]+==", (PYTHON / "requirements.txt").read_text(), re.MULTILINE))


def subjects(ours):
    if len(ours) > 1:
        return [Subject(str(path), [path], ["AWS_CA_BUNDLE"], deployed=path) for path in ours]
    (roots,) = PYTHON.glob(".venv/lib/python3*/site-packages/botocore/cacert.pem")
    defaults = HERE / "target/release/sdk-defaults"
    lean, hello = HERE / "target/function/sdk-lean", HERE / "target/function/hello"
    return [
        Subject(OURS, ours, ["AWS_CA_BUNDLE"], deployed=ours[0],
                packages=lambda: crates(ROOT / "Cargo.toml", "ecr-autopolicy")),
        Subject(BOTO3, [PYTHON / ".venv/bin/python3", "-m", "awslambdaric", "handler.handler"], ["AWS_CA_BUNDLE"],
                {"PYTHONPATH": str(PYTHON)}, roots=roots, packages=python_packages),
        Subject(BUNDLED, [NODE_PROGRAM, NODE / "bundle/index.cjs"], ["NODE_EXTRA_CA_CERTS"], deployed=NODE / "bundle/index.cjs",
                packages=node_packages),
        Subject(DEFAULTS, [defaults], ["SSL_CERT_FILE"], roots=roots, deployed=defaults,
                packages=lambda: crates(HERE / "Cargo.toml", "sdk-defaults")),
        Subject(LEAN, [lean], ["AWS_CA_BUNDLE"], deployed=lean, packages=lambda: crates(HERE / "Cargo.toml", "sdk-lean")),
        Subject(HELLO, [hello], [], idle=True, deployed=hello, packages=lambda: crates(HERE / "Cargo.toml", "hello")),
    ]  # fmt: skip


def measure(chosen, options):
    # The key is part of the names of repositories.
    keys = {f"subject-{number}": subject for number, subject in enumerate(chosen, 1)}
    plan = {
        "colds": options.colds, "warms": options.warms, "delay": DELAY, "backends": options.backends,
        "scratch": str(SCRATCH), "subjects": [subject.planned(key) for key, subject in keys.items()],
    }  # fmt: skip
    (SCRATCH / "home").mkdir(parents=True, exist_ok=True)
    files = [SCRATCH / "plan.json", SCRATCH / "result.json"]
    files[0].write_text(json.dumps(plan))
    if subprocess.run(words([MEASURE, *files])).returncode:
        names = ", ".join(f"{key} is {subject.name}" for key, subject in keys.items())
        sys.exit(f"the measurement failed: see above ({names})")
    result = json.loads(files[1].read_text())
    for key, subject in keys.items():
        subject.figures = {backend: figures[key] for backend, figures in result.items()}


def table(rows, left=1):
    """The lines of a Markdown table that can be read as it is; the columns after the first `left` are numbers."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)])

    def line(row):
        cells = [cell.ljust(width) if at < left else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))]
        return f"| {' | '.join(cells)} |"

    return [line(row) for row in rows]


def milliseconds(seconds):
    if seconds is None:
        return ""
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.2f} ms"


def megabytes(size):
    return "" if size is None else f"{size / 1e6:.2f} MB" if size < 1e7 else f"{size / 1e6:.1f} MB"


def times(value, than):
    return "" if value is None or not than else f"{value / than:.1f}"


MOMENTS = {"cold": "cold start", "after_init": "first event after INIT", "warm": "warm event"}


TRIPS = {"unkept": "parameter not kept", "first": "first event", "next": "next event", "merged": "merged"}


def speed(chosen, backend):
    header = [f"over {BACKENDS[backend]}"]
    for title in MOMENTS.values():
        header += [title, "× ours"]
    rows = [header]
    for subject in chosen:
        row = [subject.name]
        for moment in MOMENTS:
            value = subject.median(backend, moment)
            ours = chosen[0].median(backend, moment)
            row += [milliseconds(value), times(value, ours) if subject is not chosen[0] else ""]
        rows.append(row)
    return table(rows)


def footprint(chosen):
    backend = "tls" if "tls" in chosen[0].figures else next(iter(chosen[0].figures))
    rows = [[f"after the warm events, over {BACKENDS[backend]}", "memory", "at its peak", "gzip", "packages"]]
    for subject in chosen:
        rows.append([
            subject.name, megabytes(subject.memory(backend, "at_rest")), megabytes(subject.memory(backend, "peak")),
            megabytes(subject.gzip), subject.package_count or "",
        ])  # fmt: skip
    return table(rows)


def calls(chosen):
    backend = next(iter(chosen[0].figures))
    header = ["one after the other", *TRIPS.values(), "before the first event", "connections", "still open"]
    rows = [header]
    for subject in chosen:
        if subject.idle:
            continue
        trips = {trip["event"]: f"{trip['sequential']} of {len(trip['calls'])}" for trip in subject.figures[backend]["round_trips"]}
        around = subject.figures[backend]["around_init"][-1]
        before = ", ".join(around["calls_before"]) or "none"
        connections = f"{around['connections_before']} of {around['connections_before'] + around['connections_after']}"
        rows.append([
            subject.name, *(trips[event] for event in TRIPS), before, connections, around["open"],
        ])  # fmt: skip
    return table(rows)


def by_name(chosen, name):
    (found,) = [subject for subject in chosen if subject.name == name]
    return found


def goals(chosen):
    """Each goal: what it says, what was measured, and whether it is met. Those that were not measured are left out."""
    ours = by_name(chosen, OURS)

    def faster(name, least, backend, moment):
        theirs, mine = by_name(chosen, name).median(backend, moment), ours.median(backend, moment)
        what = f"{MOMENTS[moment]}: at least {least} times faster than {name}"
        return what, f"{theirs / mine:.1f} times", theirs / mine >= least

    if "tls" in ours.figures:
        for name, least in ((BOTO3, 60), (BUNDLED, 40), (DEFAULTS, 8)):
            yield faster(name, least, "tls", "cold")
        yield faster(BOTO3, 8, "tls", "warm")
        peak = ours.memory("tls", "peak")
        yield "resident memory at most 10 MB, at its peak", megabytes(peak), peak <= 10e6
    if "plain" in ours.figures:
        ratio = ours.median("plain", "cold") / by_name(chosen, HELLO).median("plain", "cold")
        yield f"cold start over plain HTTP: at most 3 times that of {HELLO}", f"{ratio:.1f} times", ratio <= 3
    for backend in ours.figures:
        trips = [trip["sequential"] for trip in ours.figures[backend]["round_trips"]]
        what = f"at most 2 calls of an event one after the other, over {BACKENDS[backend]}"
        yield what, ", ".join(map(str, trips)), max(trips) <= 2
        around = ours.figures[backend]["around_init"]
        early = all(
            "GetParameter" in it["calls_before"] and not it["connections_after"] and not it["open"] for it in around
        )
        worst = max(around, key=lambda it: (it["connections_after"], it["open"], -len(it["calls_before"])))
        found = f"{len(worst['calls_before'])} calls and {worst['connections_before']} connections before it, " \
                f"{worst['connections_after']} connections after it, in the worst of {len(around)} starts"  # fmt: skip
        yield f"before the first event: the parameter read, both connections open, over {BACKENDS[backend]}", found, early
    yield "gzip size of `bootstrap` at most 2.6 MB", megabytes(ours.gzip), ours.gzip <= 2.6e6


OPERATIONS = {
    "parse": "read and check the configuration", "render": "what a repository should have",
    "reconcile": "plan for a repository", "sameness": "compare two policies",
}  # fmt: skip
SERIES = {
    "rules": lambda size: f"{size} rule{'s' * (size > 1)}, an account each",
    "accounts": lambda size: f"1 rule, {size} account{'s' * (size > 1)}",
    "foreign": lambda size: f"1 rule, a foreign policy of {size:,} characters",
}


def core():
    """By operation and series, the seconds at each size, as criterion left them."""
    found = {}
    for operation in OPERATIONS:
        for series in SERIES:
            for file in (HERE / f"target/criterion/{operation}/{series}").glob("*/new/estimates.json"):
                seconds = json.loads(file.read_text())["median"]["point_estimate"] / 1e9
                found.setdefault((operation, series), {})[int(file.parent.parent.name)] = seconds
    return {key: dict(sorted(sizes.items())) for key, sizes in found.items()}


def core_table(found):
    rows = [["median time", *OPERATIONS]]
    for series, title in SERIES.items():
        for size in sorted({size for (_, it), sizes in found.items() if it == series for size in sizes}):
            seconds = [found.get((operation, series), {}).get(size) for operation in OPERATIONS]
            rows.append([title(size), *(f"{it * 1e6:.1f} µs" if it is not None else "" for it in seconds)])
    return table(rows)


def core_goals(found):
    """A quadratic cost would double what each further one costs where the size doubles."""
    for (operation, series), sizes in found.items():
        (small, one), (middle, two), (large, three) = list(sizes.items())[-3:]
        growth = (three - two) / (large - middle) / ((two - one) / (middle - small))
        unit = {"rules": "rule", "accounts": "account", "foreign": "character"}[series]
        what = f"{operation}: of {large:,}, a further {unit} costs no more than of {middle:,} (half as much again, for the noise)"
        yield what, f"{growth:.2f} times", growth <= LINEAR


def sizes():
    """What each crate adds to the program's code, in bytes; cargo-bloat reads it from a build with symbols."""
    text = run(
        "cargo", "bloat", "--release", "--bin", "bootstrap", "--crates", "-n", 0, "--message-format", "json", cwd=ROOT,
        env=os.environ | {
            "CARGO_PROFILE_RELEASE_STRIP": "false", "CARGO_TARGET_DIR": str(ROOT / "target/symbols"),
            "PATH": f"{HERE / 'target/tools/bin'}:{os.environ['PATH']}",
        },
    )  # fmt: skip
    found = json.loads(text)
    return found["text-section-size"], {crate["name"]: crate["size"] for crate in found["crates"]}


def sizes_table(text, found):
    rows = [["crate", "what for", "code", "share"]]
    large = {name: size for name, size in found.items() if size >= text * MENTIONED}
    for name, size in sorted(large.items(), key=lambda crate: -crate[1]):
        rows.append([f"`{name}`", PURPOSE.get(name, "**?**"), f"{size / 1e3:.0f} kB", f"{size / text:.1%}"])
    rest = text - sum(large.values())
    rows.append([f"all others, less than {MENTIONED:.0%} each", "", f"{rest / 1e3:.0f} kB", f"{rest / text:.1%}"])
    return table(rows, left=2)


def sizes_goals(text, found):
    unknown = [name for name, size in found.items() if size >= text * MENTIONED and name not in PURPOSE]
    yield "a note for every dependency of one percent or more", ", ".join(unknown) or "none is missing", not unknown


def versions():
    packages = {name: re.search(rf"^{name}==(\S+)", (PYTHON / "requirements.txt").read_text(), re.MULTILINE)[1]
                for name in ("awslambdaric", "boto3")}  # fmt: skip
    node = json.loads((NODE / "package.json").read_text())["dependencies"]
    rust = dict(re.findall(r'name = "(aws-config|aws-sdk-ecr|lambda_runtime)"\nversion = "(.*)"', (HERE / "Cargo.lock").read_text()))
    python = run(PYTHON / ".venv/bin/python3", "--version").strip()
    both = [*(f"{name} {version}" for name, version in packages.items()), f"Node {run(NODE_PROGRAM, '--version').strip()}",
            *(f"{name} {version}" for name, version in node.items())]  # fmt: skip
    ours = dict(re.findall(r'name = "(aws-config|aws-sdk-ecr|lambda_runtime)"\nversion = "(.*)"', (ROOT / "Cargo.lock").read_text()))
    listed = ", ".join(f"{name} {version}" for name, version in ours.items())
    peers = ", ".join(f"{name} {version}" for name, version in rust.items())
    return [f"ecr-autopolicy: {run('rustc', '--version').strip()}, {listed}", f"the Rust peers: the same rustc, {peers}",
            f"{python}, {', '.join(both)}"]  # fmt: skip


def authorities():
    return (SCRATCH / "authorities.pem").read_text().count("BEGIN")


def against(chosen, slower, moment):
    """How many times faster than that one the SDK at its least is, over TLS."""
    return times(by_name(chosen, slower).median("tls", moment), by_name(chosen, LEAN).median("tls", moment))


def outcome(found):
    return [f"- {'met' if met else '**MISSED**'}: {goal} ({measured})" for goal, measured, met in found]


def report(chosen, cored, sized, load):
    lines = "\n".join
    return f"""# The way from event to policy, measured

`make bench` wrote this on {datetime.date.today()}.

- Machine: {machine()}; load before the run {load:.1f}
- {f"{chr(10)}- ".join(versions())}

{lines(speed(chosen, "tls"))}

{lines(speed(chosen, "plain"))}

{lines(footprint(chosen))}

{lines(calls(chosen))}

## Goals

{lines(outcome(goals(chosen)))}

A goal that is missed is one of speed against others, none of what an operator has to wait for. Of the start, {milliseconds(by_name(chosen, HELLO).median("tls", "cold"))} are a Rust
function that does nothing. {LEAN} has next to nothing but the SDK's calls in it. It takes {milliseconds(by_name(chosen, LEAN).median("tls", "cold"))} for a start,
{against(chosen, BUNDLED, "cold")} times faster than {BUNDLED} and {against(chosen, DEFAULTS, "cold")} times faster than {DEFAULTS}, and {milliseconds(by_name(chosen, LEAN).median("tls", "warm"))} for a warm event, {against(chosen, BOTO3, "warm")} times
faster than boto3: the difference is about what is left to gain on this machine, as long as the SDK makes the calls.

## What is measured

Times are medians of {COLDS} starts or of {WARMS} events, all taken in one run and in turn: a start of each, and again. Whoever
begins a round changes, and of two cold starts in a turn the second counts: the first finds another's program in the processor's
caches. What AWS adds is not in it: to fetch the program, to make the sandbox, and a fraction of a processor after INIT.
One process on the same machine is Lambda's Runtime API, SSM and ECR (`bench/start`), each of the two services at an address of
its own, as in AWS. It starts each process in an empty environment with the variables that Lambda sets, credentials among them,
and looks after every event whether the repository holds exactly what it should.

- Every one does the same work, for the event of a `CreateRepository` call: it reads a policy document of two statements from
  the parameter (kept for 60 seconds) and the repository's policy, compares what they mean, keeps foreign statements, and writes
  where something has to change. ecr-autopolicy, besides, checks the configuration. The others are in `bench/peers`.
- **ecr-autopolicy** is what `make build` makes of this repository for this machine's architecture.
- **{BOTO3}**: AWS's own runtime client, `awslambdaric`, and clients made outside the handler.
- **{BUNDLED}**: SDK v3, bundled and minified by esbuild. A few lines poll the Runtime API, since AWS's own client for Node wants
  a native build; they do less than it does.
- **{DEFAULTS}**: `aws_config::load_defaults`, default features, cargo's release profile.
- **{LEAN}**: the same handler with one thread, `ring`, no default chain, few roots, the parameter read ahead, one attempt for each
  call, and the function's own profile. A yardstick, and nothing to deploy. It opens no connection to ECR ahead.
- The programs in Rust are compiled for the processor that cargo-lambda compiles for.
- Python and Node are of the versions that are on this machine, as above; Lambda has newer ones, too.
- **{HELLO}**: `lambda_runtime` alone, which answers and does nothing, on one thread and in the function's own profile.
- **Cold start**: from the start of the process to its answer to an event that waits already, for a repository without a policy.
- **First event after INIT**: the process has started, asked for an event and been left alone for 200 ms; then the event comes.
- **Warm event**: after 100 others. Eight in ten repositories have no policy, one has a foreign statement, one is right already.
- **TLS**: both services have a certificate of an authority of our own, and every client trusts as many as in Lambda. For
  ecr-autopolicy that is a file of {authorities()} authorities, as many as the roots of Amazon that it has in it. boto3 and the SDK's
  defaults read Mozilla's roots, in the file that comes with boto3, with ours behind them; Node has Mozilla's in it, and reads
  ours. The name is an address: no resolver is asked. Both services choose AES-128, the first choice of AWS's own TLS library
  ([s2n](https://aws.github.io/s2n-tls/usage-guide/ch06-security-policies.html)), and resume no session: here they are one host,
  in AWS two.
- **Memory** is what is resident; shared libraries count in full.
- **Packages** are what the program is linked from or loads, itself left out; Rust's macros are not in it. **gzip** is the size of
  the program or the bundle; Python's comes with Lambda.
- **One after the other**: each call is made to take {DELAY} ms, and those count that did not overlap, of all calls of the event.
  'Merged' is an event for a repository with a foreign statement. **Before the first event** are the calls and the connections of
  those 200 ms, and the calls that had no answer by then.

Instructions from the start to the first answer are counted by `make test-budget`, and may not grow by a tenth unnoticed.

## What the program is made of

Code by crate, as `cargo bloat` tells it for a build with symbols; what is inlined counts for the crate that it is inlined into.

{lines(sizes_table(*sized))}

{lines(outcome(sizes_goals(*sized)))}

## The pure core

Criterion's medians (`make bench-core`), in the function's own profile.

{lines(core_table(cored))}

{lines(f"- **{operation}**: {what}." for operation, what in OPERATIONS.items())}

{lines(outcome(core_goals(cored)))}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=Path, action="append", help="a `bootstrap`, or several to compare")
    parser.add_argument("--only", nargs="+", default=[""], help="only those with one of these words in their name")
    parser.add_argument("--colds", type=int, default=COLDS)
    parser.add_argument("--warms", type=int, default=WARMS)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    options = parser.parse_args()
    ours = [path.resolve() for path in options.ours or [BOOTSTRAP]]
    every = subjects(ours)
    chosen = [subject for subject in every if any(word in subject.name for word in options.only)]
    for program in [MEASURE, *(subject.command[0] for subject in chosen if isinstance(subject.command[0], Path))]:
        if not program.exists():
            sys.exit(f"there is no `{program}`: `make bench` builds it")
    load = os.getloadavg()[0]
    if load > QUIET:
        print(f"the machine is busy (load {load:.1f}): that costs short-lived processes more than others", file=sys.stderr)
    measure(chosen, options)
    for backend in options.backends:
        print("", *speed(chosen, backend), sep="\n")
    print("", *footprint(chosen), "", *calls(chosen), sep="\n")
    whole = chosen == every and len(ours) == 1 and set(options.backends) == set(BACKENDS)
    found = list(goals(chosen)) if whole else []
    usual = whole and not options.ours and (options.colds, options.warms) == (COLDS, WARMS)
    if usual:
        cored, sized = core(), sizes()
        found += [*core_goals(cored), *sizes_goals(*sized)]
        print("", *core_table(cored), "", *sizes_table(*sized), sep="\n")
    print()
    for goal, measured, met in found:
        print(f"{'met   ' if met else 'MISSED'} {goal} ({measured})")
    if usual:
        REPORT.write_text(report(chosen, cored, sized, load))
        print(f"\nwritten to {REPORT.relative_to(ROOT)}")
    else:
        print(f"\nonly a run of everything, as often as usual, is written to {REPORT.relative_to(ROOT)}")
    sys.exit(not all(met for *_, met in found))


if __name__ == "__main__":
    main()
