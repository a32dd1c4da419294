"""Each example runs, and prints what its docstring shows.

An example's docstring holds its command, indented, and after the line `Prints:` what the command prints. The scripts
keep real time, so their dates and prices are compared by shape only; a run with `--fast` is the same every time, up to
the prefix of its client order ids.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DATE = re.compile(r"[A-Z][a-z]+ \d{1,2}, \d{4}")
PRICE = re.compile(r"\d[\d,]*\.\d+")
RUN_PREFIX = re.compile(r"\bh[0-9a-f]{12}-")
DEMO = re.compile(r"^\$ make demo\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown(example: Path) -> tuple[list[str], str]:
    """The command of an example, and what it is said to print."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    text, found, printed = docstring.partition("\nPrints:\n")
    assert found, f"{example.name} does not say what it prints"
    commands = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert len(commands) == 1, f"{example.name}: expected one command in the docstring, found {commands}"
    return shlex.split(commands[0]), printed


def printed_by(command: list[str]) -> str:
    name, *arguments = command
    program = sys.executable if name == "python" else str(Path(sys.executable).with_name(name))
    # each trades an account of the same number at a gateway of its own: to the user's folder it would be one account
    with tempfile.TemporaryDirectory() as state:
        finished = subprocess.run(
            [program, *arguments],
            cwd=ROOT,
            env=os.environ | {"XDG_STATE_HOME": state},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return finished.stdout


def comparable(text: str, *, keeps_real_time: bool) -> list[str]:
    """The lines without what differs from run to run."""
    text = RUN_PREFIX.sub("RUN-", text)
    if keeps_real_time:
        text = PRICE.sub("PRICE", DATE.sub("DATE", text))
    return [" ".join(line.split()) for line in text.strip().splitlines()]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_says_how_it_is_run_and_what_it_prints(example: Path) -> None:
    command, printed = shown(example)
    assert f"examples/{example.name}" in command
    assert printed.strip()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_examples_print_what_they_show() -> None:
    """All at the same time: what takes long is waiting, at the venue's pace."""
    said = {example.name: shown(example) for example in EXAMPLES}
    with ThreadPoolExecutor(4) as pool:
        printed = dict(zip(said, pool.map(printed_by, (command for command, _ in said.values())), strict=True))
    wrong = []
    for name, (command, expected) in said.items():
        keeps_real_time = "--fast" not in command
        if comparable(expected, keeps_real_time=keeps_real_time) != comparable(
            printed[name], keeps_real_time=keeps_real_time
        ):
            wrong.append(f"{name} shows\n{expected}\nand printed\n{printed[name]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_demo_run_prints_the_table_that_the_readme_shows(tmp_path: Path) -> None:
    """Row by row, numbers apart: they move with every change of the adapter's timing."""
    readme = DEMO.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert readme is not None
    finished = subprocess.run(
        [Path(sys.executable).with_name("horizon"), "demo"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert rows(finished.stdout) == rows(readme[1])


def rows(text: str) -> list[str]:
    without_numbers = re.sub(r"-?\d[\d,.]*", "N", text)
    return [row for line in without_numbers.splitlines() if (row := " ".join(re.findall(r"[^\s\u2500-\u257f]+", line)))]
