"""The documents, their fenced blocks, and the commands in these that cannot be run here."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

# What a block is, by the first word behind its fence.
RUN, SESSION, CONFIGURATION = "sh", "console", "json"
# These are shown and not run: diagrams and queries, and Terraform's language, for which there is no judge here.
SHOWN = {"text", "hcl"}

# Commands that a stand-in answers, by how they begin, and why. All others are run.
NOT_RUN = {
    "make": "would run these tests again, or compile for minutes; the target is looked up with `make -n`",
    "cargo": "compiles for minutes; `make test` runs the same tests and lints",
    "git": "there is neither a remote nor an earlier version here",
    "sam build": "`make build` has just done it, and takes minutes the first time",
    "sam deploy --guided": "asks a person",
    "aws logs tail": "is the AWS CLI's version 2 alone; PyPI has version 1",
}


@dataclass
class Block:
    document: Path
    line: int
    kind: str
    name: str
    text: str

    @property
    def place(self):
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document):
    """Every fenced block of the document. A fence that is not closed is an error."""
    found, opened = [], None
    for number, line in enumerate(document.read_text().splitlines(), 1):
        fence = re.match(r" *(```+|~~~+)(.*)$", line)
        if opened is None and fence:
            kind, _, name = fence[2].strip().partition(" ")
            opened = Block(document, number, kind or "text", name.strip(), "")
        elif fence:
            assert not fence[2].strip(), f"{document.name}:{opened.line}: the block is not closed"
            found.append(opened)
            opened = None
        elif opened is not None:
            opened.text += line + "\n"
    assert opened is None, f"{document.name}:{opened.line}: the block is not closed"
    return found


def prose(document):
    """The document without its fenced blocks."""
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", document.read_text())


def session(block):
    """The commands of a session, each with the output that it shows."""
    found = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block.place}: a session begins with a command, after `$ `"
            found[-1][1].append(line)
    return found


def commands(block):
    """Every simple command of a block as it is written, with lines that go on joined and comments left out."""
    if block.kind == SESSION:
        lines = [command for command, _ in session(block)]
    else:
        lines = re.sub(r"\\\n\s*", " ", block.text).splitlines()
    for line in lines:
        for command in re.split(r"\|\||&&|[|;]", re.sub(r"(^|\s)#.*", "", line)):
            if command.strip():
                yield command.strip()
