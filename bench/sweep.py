"""Measures a sweep of ecr-autopolicy beside boto3 scripts and Cloud Custodian, all against an ECR on loopback."""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
SERVER = HERE / "target/release/loopback-ecr"
MEASURE = HERE / "target/release/measure"
SCRATCH = HERE / "target/sweep"
REPORT = ROOT / "docs/benchmarks-sweep.md"

FULL_SIZE = 10_000
DELAY = 10
RATE = 200
FASTER = 20
SHARE = 0.9
REFUSED = 0.5
GROWTH = 1.5
MEMORY = 60e6

PLAN = "ecr-autopolicy plan"
APPLY = "ecr-autopolicy apply"
SEQUENTIAL = "boto3, one by one"
THREADS = "boto3, 16 threads"
CUSTODIAN = "Cloud Custodian"

OURS = ROOT / "target/release/ecr-autopolicy"
BOTO3 = [sys.executable, HERE / "boto3_sweep.py"]
CUSTODIAN_POLICY = SCRATCH / "custodian.json"
COMMANDS = {
    PLAN: [OURS, "plan", HERE / "configuration.json"],
    APPLY: [OURS, "apply", HERE / "configuration.json", "--yes"],
    SEQUENTIAL: BOTO3,
    THREADS: [*BOTO3, 16],
    CUSTODIAN: [
        Path(sys.executable).with_name("custodian"), "run", "--region", "eu-west-1", "--cache-period", 0,
        "--output-dir", SCRATCH / "custodian", CUSTODIAN_POLICY,
    ],
}  # fmt: skip


@dataclass
class Scenario:
    key: str
    name: str
    size: int
    delay: int
    sweeps: list
    kind: str = ""

    @property
    def burst(self):
        return RATE if self.kind == "bucket" else 0

    def server(self):
        limit = ["--limit", RATE, "--kind", self.kind, "--burst", self.burst] if self.kind else []
        return [SERVER, "--repositories", self.size, "--delay", self.delay, *limit]


@dataclass
class Run:
    """What one sweep took."""

    scenario: Scenario
    sweep: str
    took: dict
    stats: dict
    failures: int

    @property
    def seconds(self):
        return self.took["seconds"]

    @property
    def memory(self):
        return self.took["peak_bytes"]

    @property
    def refused_share(self):
        return self.stats["refused"] / max(1, self.stats["accepted"])

    @property
    def limit_used(self):
        """Of what the limit let through from the first call to the last answer; the burst does not count."""
        counted = self.stats["accepted"] - self.scenario.burst
        return counted / (RATE * self.stats["seconds"]) if self.scenario.kind and counted > 0 else None

    @property
    def writes(self):
        return self.stats["by_action"].get("ecr:SetRepositoryPolicy", {"accepted": 0})["accepted"]


def scenarios(size):
    peers = [APPLY, SEQUENTIAL, THREADS, CUSTODIAN]
    limited = size * 2 // 5
    alone = [PLAN, APPLY]
    return [
        Scenario("free", "no limit", size, DELAY, [PLAN, *peers]),
        Scenario("bucket", f"{RATE} calls/s, token bucket", limited, DELAY, peers, "bucket"),
        Scenario("windows", f"{RATE} calls/s, fixed windows", limited, DELAY, peers, "windows"),
        Scenario("small", "no limit, no delay", 1_000, 0, alone),
        Scenario("large", "no limit, no delay", size * 10, 0, alone),
    ]


def write_custodian_policy():
    action = {"type": "modify-ecr-policy", "add-statements": [json.loads((HERE / "statement.json").read_text())]}
    policies = [{"name": "sweep", "resource": "aws.ecr", "actions": [action]}]
    CUSTODIAN_POLICY.write_text(json.dumps({"policies": policies}))


def words(command):
    return [str(word) for word in command]


@contextlib.contextmanager
def ecr(scenario):
    """The address of a new server."""
    with subprocess.Popen(words(scenario.server()), stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def ask(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        return json.load(answer)


def said(text, what):
    """The number in the last `12 failed`, say, of a text; 0 where there is none."""
    return int((re.findall(rf"(\d+) {what}", text) or ["0"])[-1])


def measure(scenario, sweep):
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(SCRATCH), "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    took, log = SCRATCH / "took.json", SCRATCH / "log.txt"
    took.unlink(missing_ok=True)
    with ecr(scenario) as url, log.open("w+") as output:
        needed = ask(f"{url}/verify")["wrong"]
        ended = subprocess.run(
            words([MEASURE, took, *COMMANDS[sweep]]),
            env=environment | {"AWS_ENDPOINT_URL": url}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        stats, wrong = ask(f"{url}/stats"), ask(f"{url}/verify")["wrong"]
        output.seek(0)
        text = output.read()
    (SCRATCH / f"{scenario.key}, {sweep}.json").write_text(json.dumps(stats))
    run = Run(scenario, sweep, json.loads(took.read_text()), stats, 0)
    # A plan changes nothing, and foretells every change.
    off = abs(wrong - needed) + run.writes + abs(said(text, "to change") - needed) if sweep == PLAN else wrong
    run.failures = max(off, said(text, "failed"), 1 if ended.returncode else 0)
    if run.failures:
        print(f"{sweep} ended with {ended.returncode}; the end of what it said:\n{text[-2_000:]}", file=sys.stderr)
    return run


def percent(share):
    return "" if share is None else f"{share:.1%}"


COLUMNS = [
    "repositories", "sweep", "time", "× ours", "calls", "writes", "refused", "limit used", "CPU", "memory", "failures",
]  # fmt: skip


def table(runs):
    """The lines of one Markdown table, which can be read as it is, too."""
    rows, before = [COLUMNS], None
    for run in runs:
        ours = find(runs, run.scenario.key, APPLY)
        compared = ours and not ours.failures and run.sweep not in (APPLY, PLAN)
        times = f"{run.seconds / ours.seconds:.1f}" if compared else ""
        if run.scenario is not before:
            rows.append([f"**{run.scenario.size:,}**, {run.scenario.name}"] + [""] * (len(COLUMNS) - 1))
        before = run.scenario
        rows.append([
            "", run.sweep, f"{run.seconds:.1f} s", times, f"{run.stats['accepted']:,}", f"{run.writes:,}",
            f"{run.stats['refused']:,}", percent(run.limit_used), f"{run.took['cpu_seconds']:.1f} s",
            f"{run.memory / 1e6:.1f} MB", f"{run.failures:,}",
        ])  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    rows.insert(1, ["-" * width if column < 2 else "-" * (width - 1) + ":" for column, width in enumerate(widths)])

    def line(row):
        words, numbers = zip(row[:2], widths[:2]), zip(row[2:], widths[2:])
        cells = [text.ljust(width) for text, width in words] + [text.rjust(width) for text, width in numbers]
        return f"| {' | '.join(cells)} |"

    return [line(row) for row in rows]


def find(runs, key, sweep):
    return next((run for run in runs if (run.scenario.key, run.sweep) == (key, sweep)), None)


def goals(runs):
    """Each goal: what it says, what was measured, and whether it is met. Those that were not measured are left out.

    A sweep that failed meets none.
    """
    ours, theirs = find(runs, "free", APPLY), find(runs, "free", SEQUENTIAL)
    if ours and theirs:
        times = theirs.seconds / ours.seconds
        met = times >= FASTER and not ours.failures and not theirs.failures
        yield f"at least {FASTER} times faster than boto3 one by one", f"{times:.1f} times", met
    for kind in ("bucket", "windows"):
        if ours := find(runs, kind, APPLY):
            used, refused, fine = ours.limit_used or 0, ours.refused_share, not ours.failures
            where = f"{RATE} calls/s, {kind}"
            yield f"{where}: at least {SHARE:.0%} of the limit used", percent(used), fine and used >= SHARE
            most = f"{where}: at most {REFUSED} refused calls for one accepted"
            yield most, f"{refused:.2f}", fine and refused <= REFUSED
    for sweep in (PLAN, APPLY):
        small, large = find(runs, "small", sweep), find(runs, "large", sweep)
        if small and large:
            growth, fine = large.memory / small.memory, not small.failures and not large.failures
            size = f"{large.scenario.size:,}"
            most = f"{sweep}: memory for {size} at most {GROWTH} times that for 1,000"
            yield most, f"{growth:.2f} times", fine and growth <= GROWTH
            under = f"{sweep}: under {MEMORY / 1e6:.0f} MB for {size}"
            yield under, f"{large.memory / 1e6:.1f} MB", fine and large.memory < MEMORY
    if ours := [run for run in runs if run.sweep in (PLAN, APPLY)]:
        failures = sum(run.failures for run in ours)
        yield "no failure of ours in any of these", f"{failures:,}", failures == 0


def machine():
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = model.group(1) if model else platform.processor()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions():
    ours = subprocess.run(words([OURS, "--version"]), capture_output=True, text=True, check=True).stdout
    packages = [f"{name} {importlib.metadata.version(name)}" for name in ("boto3", "botocore", "c7n")]
    return ", ".join([ours.strip(), f"Python {platform.python_version()}", *packages])


def report(runs):
    busiest = max(run.stats["busy_seconds"] / max(run.stats["seconds"], 1e-9) for run in runs)
    outcome = [f"- {'met' if met else '**MISSED**'}: {goal} ({measured})" for goal, measured, met in goals(runs)]
    return f"""# A sweep, measured

`make bench-sweep` wrote this on {datetime.date.today()}.

- Machine: {machine()}
- Versions: {versions()}

{chr(10).join(table(runs))}

## Goals

{chr(10).join(outcome)}

## What is measured

Every sweep gives the same statement (`bench/statement.json`) to every repository of a new registry, of which 30 % have it
already, 20 % have a statement of somebody else that has to stay, and the others have no policy. The registry is
`bench/src`: ECR on loopback over plain HTTP, on the same machine, where each call takes {DELAY} ms (and about one
more, as timers go), or none where it says 'no delay'. It runs on one thread, which was busy for {busiest:.0%} of a sweep's
time at most.

- **boto3, one by one** is `bench/boto3_sweep.py`: list, read, compare, write where needed. **16 threads** is the same
  script with a pool of threads and botocore's adaptive retries.
- **Cloud Custodian** is its action `modify-ecr-policy`, which asks for each repository's tags, too, and writes each policy
  anew.
- **Time**, **CPU** and **memory** (the peak that was resident) are those of the whole process, from its start to its end.
- **Calls** are those that ECR accepted, **writes** among them; **refused** ones were throttled.
- **Limit used** is the share of what the limit let through from the first call to the last answer. The token bucket holds
  {RATE} calls at first, which do not count; fixed windows begin anew each second.
- **Failures** are repositories that have not exactly the statements they should when the sweep has ended, or those that it
  says have failed, whichever are more. For `plan` they are those that it changed, or foretold wrongly.
"""


def main():
    keys = [scenario.key for scenario in scenarios(FULL_SIZE)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=FULL_SIZE, help=f"repositories without a limit ({FULL_SIZE:,})")
    parser.add_argument("--scenarios", nargs="+", choices=keys, default=keys)
    parser.add_argument("--sweeps", nargs="+", default=[""], help="only those with one of these words in their name")
    options = parser.parse_args()
    chosen = [
        (scenario, sweep)
        for scenario in scenarios(options.size)
        for sweep in scenario.sweeps
        if scenario.key in options.scenarios and any(word in sweep for word in options.sweeps)
    ]
    for program in {SERVER, MEASURE} | {COMMANDS[sweep][0] for _, sweep in chosen}:
        if not Path(program).exists():
            sys.exit(f"there is no `{program}`: `make bench-sweep` builds it")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    write_custodian_policy()
    runs = []
    for scenario, sweep in chosen:
        print(f"{scenario.size:,} repositories, {scenario.name}: {sweep}", end=" … ", flush=True)
        runs.append(measure(scenario, sweep))
        print(f"{runs[-1].seconds:.1f} s", flush=True)
    print("", *table(runs), "", sep="\n")
    for goal, measured, met in goals(runs):
        print(f"{'met   ' if met else 'MISSED'} {goal} ({measured})")
    if len(runs) == sum(len(scenario.sweeps) for scenario in scenarios(FULL_SIZE)) and options.size == FULL_SIZE:
        REPORT.write_text(report(runs))
        print(f"\nwritten to {REPORT.relative_to(ROOT)}")
    else:
        print(f"\nonly a run of everything, at its full size, is written to {REPORT.relative_to(ROOT)}")
    sys.exit(not all(met for *_, met in goals(runs)))


if __name__ == "__main__":
    main()
