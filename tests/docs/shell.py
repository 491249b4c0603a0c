"""One bash that runs a document's blocks one after the other, so that variables and functions stay."""

import os
import select
import subprocess
import time

# A release of the stack takes ten seconds here.
LONGEST = 120


class Shell:
    def __init__(self, folder, environment):
        self.folder = folder
        self.number = 0
        reader, writer = os.pipe()
        self.reader = reader
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder / "work",
            env={**environment, "DOCS_DONE": str(writer)},
            stdin=subprocess.PIPE,
            pass_fds=[writer],
            text=True,
            start_new_session=True,
        )
        os.close(writer)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.reader)

    def run(self, text, strict):
        """The exit status and the output of the commands. If strict, the first that fails ends the shell."""
        self.number += 1
        script, output = self.folder / f"{self.number}.sh", self.folder / f"{self.number}.out"
        script.write_text(text)
        options = "set -euo pipefail" if strict else "set +euo pipefail"
        self.process.stdin.write(
            f"{options}; source {script} < /dev/null > {output} 2>&1; echo $? >&$DOCS_DONE\n"
        )
        self.process.stdin.flush()
        deadline = time.monotonic() + LONGEST
        while not select.select([self.reader], [], [], 0.05)[0]:
            if time.monotonic() > deadline:
                self.process.kill()
                return None, f"not done within {LONGEST} seconds; so far:\n{output.read_text()}"
        status = os.read(self.reader, 16).decode().strip()
        return (int(status) if status else 1), output.read_text()
