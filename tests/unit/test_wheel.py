"""The wheel, installed in an environment that knows nothing of this folder."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ALL = "import horizon, feeds, exchanges; print(horizon.__file__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with only the wheel in it, and our dependencies within reach."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=sys.platform != "win32")
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    interpreter = next(scripts.glob("python*"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(interpreter),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    # A folder named in a .pth file is searched, but its own .pth files are not read: the dependencies are found, and
    # the editable install of this checkout beside them is not.
    [installed] = home.rglob("horizon/__init__.py")
    dependencies = Path(sysconfig.get_path("purelib"))
    (installed.parent.parent / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return interpreter


def run(python: Path, folder: Path, statement: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-c", statement], cwd=folder, capture_output=True, text=True, check=False)


def test_the_wheel_holds_the_three_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"horizon", "exchanges", "feeds"}
    assert {f"{package}/py.typed" for package in ("horizon", "exchanges", "feeds")} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_packages_are_imported_from_the_wheel(python: Path, tmp_path: Path) -> None:
    finished = run(python, tmp_path, IMPORT_ALL)
    assert finished.returncode == 0, finished.stderr
    assert not Path(finished.stdout.strip()).is_relative_to(ROOT)


def test_a_decoy_folder_where_python_starts_is_refused_by_name(python: Path, tmp_path: Path) -> None:
    decoy = tmp_path / "feeds"
    decoy.mkdir()
    (decoy / "__init__.py").touch()
    finished = run(python, tmp_path, IMPORT_ALL)
    assert finished.returncode == 1
    last = finished.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: expected the package 'feeds'")
    assert f"{decoy.resolve()} shadows it" in last


def test_the_venues_and_feeds_are_registered_as_entry_points(python: Path, tmp_path: Path) -> None:
    statement = """
from importlib.metadata import entry_points
for group in ("horizon.exchanges", "horizon.profiles", "horizon.feeds"):
    for point in entry_points(group=group):
        print(group, point.name, point.load() is not None)
"""
    finished = run(python, tmp_path, statement)
    assert finished.returncode == 0, finished.stderr
    assert set(finished.stdout.splitlines()) == {
        "horizon.exchanges interactivebrokers True",
        "horizon.profiles ibkr True",
        "horizon.feeds ibkr_polling True",
        "horizon.feeds recorded True",
        "horizon.feeds synthetic True",
    }


def test_the_command_is_installed(python: Path, tmp_path: Path) -> None:
    [command] = python.parent.glob("horizon*")
    finished = subprocess.run([command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "demo" in finished.stdout
