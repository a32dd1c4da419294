"""The documentation is true: its marked examples run and print what it shows, and what it names exists.

A page marks a block by a comment on the line before its fence:

    <!-- run -->            a python block is run; the blocks of one page share their names, and `await` is allowed.
                            In a console block, each line that begins with `$ ` is run, and what follows is compared
    <!-- output -->         the next block shows what the last python block printed; `...` stands for anything
    <!-- file: name.py -->  the block is written to that file in the folder where the page's blocks run
    <!-- not run: why -->   the block is only compiled: it needs what a test does not have
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(
    r"^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"<!-- (run|output|file: [\w./-]+|not run: [^\n]+) -->\s*\Z")
PATH = re.compile(r"`((?:horizon|exchanges|feeds|tests|tools|docs|examples)/[\w./-]+|[\w-]+\.(?:toml|md|txt|yml))`")
TARGET = re.compile(r"`make ([a-z]+)")


class Block(NamedTuple):
    language: str
    mark: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    source = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(source):
        mark = MARK.search(source[: match.start()])
        line = source.count("\n", 0, match.start("text"))
        yield Block(match["language"], mark[1] if mark else "", match["text"], line)


def compiled(block: Block, page: Path) -> object:
    # Empty lines in front, so that a traceback shows the line of the page.
    source = "\n" * block.line + block.text
    return compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def printed_by(block: Block, page: Path, names: dict[str, object]) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = eval(compiled(block, page), names)  # type: ignore[arg-type]
        if inspect.iscoroutine(result):
            asyncio.run(result)
    return output.getvalue()


def run_console(block: Block, place: str) -> None:
    """Run each command line of a console block, and compare its output with the lines up to the next one."""
    for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = step.partition("\n")
        name, *arguments = shlex.split(command)
        program = Path(sys.executable).with_name(name)
        finished = subprocess.run(
            [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert_shown(expected, finished.stdout, f"{place} ($ {command})")


def assert_shown(expected: str, printed: str, place: str) -> None:
    if not doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS):
        pytest.fail(f"{place}: the page shows\n{expected}\nand its example printed\n{printed}", pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_marked_examples_run_and_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None
    for block in blocks(page):
        place = f"{page.relative_to(ROOT)}:{block.line}"
        if block.mark == "run":
            assert block.language in ("python", "console"), f"{place}: only python and console blocks can be run"
            if block.language == "console":
                run_console(block, place)
            else:
                printed = printed_by(block, page, names)
        elif block.mark == "output":
            assert printed is not None, f"{place}: no block before this one was run"
            assert_shown(block.text, printed, place)
        elif block.mark.startswith("file: "):
            Path(block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_python_block_is_run_or_says_why_not(page: Path) -> None:
    silent = [block.line for block in blocks(page) if block.language == "python" and not block.mark]
    assert not silent, f"{page.relative_to(ROOT)}: the python blocks at lines {silent} are not run and do not say why"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_are_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compiled(block, page)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_a_page_names_exist(page: Path) -> None:
    missing = [name for name in PATH.findall(page.read_text(encoding="utf-8")) if not (ROOT / name).exists()]
    assert not missing, f"{page.relative_to(ROOT)} names {missing}, which the tree does not hold"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    missing = [target for target in TARGET.findall(page.read_text(encoding="utf-8")) if f"\n{target}:" not in makefile]
    assert not missing, f"{page.relative_to(ROOT)} names {missing}, which the Makefile does not hold"
