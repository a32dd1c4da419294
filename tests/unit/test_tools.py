"""The repository's own tools."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Put together here, so that this file passes the check it is about.
REGISTRY = ".".join(["files", "pythonhosted", "org"])
MACHINE = "/" + "home/someone/horizon"


@pytest.mark.parametrize("text", [f"see https://{REGISTRY}/packages", f'root = "{MACHINE}"', f"cd {MACHINE}"])
def test_a_registry_host_or_a_machine_path_is_found_with_its_place(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"fine\n{text}\n", encoding="utf-8")
    [finding] = load("forbidden_names").findings(page)
    assert finding.startswith(f"{page}:2: ")


@pytest.mark.parametrize(
    "text", ["https://localhost:5000/v1/api/work/orders", "tests/work/a.py", "./home/page.html", "b\0c"]
)
def test_ordinary_text_passes(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert load("forbidden_names").findings(page) == []


def test_the_soak_runner_runs_one_or_all_and_names_those_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    soak = load("soak")
    monkeypatch.setattr(soak, "FOLDER", tmp_path)
    (tmp_path / "session_week.py").write_text("import sys; print(sys.argv[1:])", encoding="utf-8")
    (tmp_path / "orders.py").write_text("raise SystemExit(1)", encoding="utf-8")

    monkeypatch.setattr(sys, "argv", ["soak", "--only", "session-week", "--times", "3"])
    assert soak.main() == 0
    assert capfd.readouterr().out.strip() == "['--times', '3']"

    monkeypatch.setattr(sys, "argv", ["soak"])
    assert soak.main() == 1
    assert "failed: orders" in capfd.readouterr().err

    monkeypatch.setattr(sys, "argv", ["soak", "--only", "nonsense"])
    assert soak.main() == 2
    assert "there are: orders, session-week" in capfd.readouterr().err


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "check", "bench", "docs", "soak", "clean"):
        assert f"make {target} " in listed
