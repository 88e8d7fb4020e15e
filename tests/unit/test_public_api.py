"""What a package says it offers, it offers; and importing it stays cheap."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "resolver", "edge_agent", "simulations", "xinbiao")
HEAVY = (
    "rocksdict",
    "granian",
    "fastapi",
    "aiomqtt",
    "paho",
    "iotcore",
    "numpy",
    "typer",
    "rich",
    "prometheus_client",
)


def modules_below(package: str) -> list[str]:
    """Every module of a package, the ones that run when imported left out."""
    root = importlib.import_module(package)
    return [
        module.name
        for module in pkgutil.walk_packages(root.__path__, prefix=f"{package}.")
        if not module.name.endswith("__main__")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_can_be_imported_and_keeps_what_its_all_promises(package: str) -> None:
    names = [package, *modules_below(package)]
    assert len(names) > 3, f"{package} is missing modules"
    for name in names:
        module = importlib.import_module(name)
        offered = getattr(module, "__all__", [])
        assert len(set(offered)) == len(offered), f"{name}.__all__ repeats itself"
        for attribute in offered:
            assert hasattr(module, attribute), f"{name}.__all__ promises {attribute}"


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_loads_no_heavy_library(package: str) -> None:
    program = f"import sys, {package}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
