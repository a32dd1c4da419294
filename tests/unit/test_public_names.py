"""The public names: what a package says it offers is what can be imported from it."""

import subprocess
import sys
from importlib import import_module

import pytest

import horizon
import horizon.errors
import horizon.model

PACKAGES = ("horizon", "exchanges", "feeds")


def shelf_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order that ruff keeps in `__all__`."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("package", [*PACKAGES, "horizon.model"])
def test_all_is_sorted_and_holds_no_name_twice(package: str) -> None:
    names = import_module(package).__all__
    assert list(names) == sorted(set(names), key=shelf_order)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_in_all_can_be_imported(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_star_import_gives_exactly_the_names_in_all(package: str) -> None:
    script = f"before = set(globals()); from {package} import *; print(*sorted(set(globals()) - before - {{'before'}}))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == sorted(import_module(package).__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error_that_names_it(package: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = import_module(package).no_such_name


def test_horizon_offers_the_whole_vocabulary_and_every_error() -> None:
    errors = {
        name for name, value in vars(horizon.errors).items() if getattr(value, "__module__", "") == "horizon.errors"
    }
    assert {*horizon.model.__all__, *errors} <= set(horizon.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_horizon_exports_carries_no_private_name(package: str) -> None:
    assert not [name for name in import_module(package).__all__ if name.startswith("_")]
