"""The sibling guard: a stranger in the place of `feeds` or `exchanges` is named at once."""

import subprocess
import sys
from pathlib import Path

import pytest

import horizon
from horizon._siblings import check_siblings

HOME = Path(horizon.__file__).resolve().parent.parent


def start_python(folder: Path, statement: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", statement], cwd=folder, capture_output=True, text=True, check=False)


def test_the_packages_beside_horizon_are_accepted() -> None:
    check_siblings(HOME)


def test_a_package_missing_beside_horizon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="shadows it") as caught:
        check_siblings(tmp_path)
    assert caught.value.name == "exchanges"


@pytest.mark.parametrize("name", ["exchanges", "feeds"])
def test_a_decoy_package_in_the_current_folder_is_named_with_advice(tmp_path: Path, name: str) -> None:
    decoy = tmp_path / name
    decoy.mkdir()
    (decoy / "__init__.py").touch()
    run = start_python(tmp_path, "import horizon")
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f"expected the package {name!r}" in last
    assert f"{decoy.resolve()} shadows it: rename it" in last


def test_a_decoy_module_in_the_current_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "feeds.py").touch()
    run = start_python(tmp_path, "import horizon")
    assert run.returncode == 1
    assert "feeds.py shadows it" in run.stderr


def test_a_decoy_imported_first_is_still_found(tmp_path: Path) -> None:
    (tmp_path / "feeds.py").touch()
    run = start_python(tmp_path, "import feeds, horizon")
    assert run.returncode == 1
    assert "feeds.py shadows it" in run.stderr


def test_a_folder_that_is_no_package_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "feeds").mkdir()
    run = start_python(tmp_path, "import horizon, feeds; print(feeds.__file__)")
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).parent.parent == HOME


def test_the_guard_imports_neither_package() -> None:
    script = "import sys, horizon; sys.exit('feeds' in sys.modules or 'exchanges' in sys.modules)"
    assert start_python(HOME, script).returncode == 0
