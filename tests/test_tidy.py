"""Rules about the source itself that no linter of ours has: one rule, one reason.

| rule | reason |
|---|---|
| no drawer names | a file is named after its idea; `utils` is where ideas get lost |
| a docstring opens every module | it says what the file is for and what it does not do |
| no note to oneself | it is resolved before the change lands |
| build files name packages, never hosts | the machine decides where packages come from |
| no path of one machine | what works on one desk only does not work |
| scripts are plain sh | they run on a machine that has nothing but a shell and a Python |
"""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("ledger", "resolver", "edge_agent", "simulations", "xinbiao")
DRAWERS = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"})
# written in two pieces, so that this file does not break its own rule
NOTES = re.compile("|".join(("FIX" + "ME", "TO" + "DO", "XX" + "X:")))
DESKS = re.compile(r"(?<![\w.$~}-])/(?:home|root|Users|work|tmp)/\w")
BUILD_FILES = (
    "pyproject.toml",
    "Makefile",
    ".pre-commit-config.yaml",
    ".ci",
    "scripts",
    "tests/bare",
)
NOT_OURS = frozenset({"build", "dist", "htmlcov"})
HIDDEN_OURS = frozenset({".ci", ".github"})
TEXT = frozenset({".py", ".md", ".toml", ".yaml", ".yml", ".cddl", ".txt", ".sh", ".cfg", ""})


def files_below(folder: Path) -> Iterator[Path]:
    """Every file that belongs to the project, without caches and environments."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_ours(name)]
        yield from (Path(here) / name for name in names)


def _is_ours(folder: str) -> bool:
    if folder.startswith("."):
        return folder in HIDDEN_OURS
    return folder not in NOT_OURS and not folder.endswith((".egg-info", "__"))


def product_files() -> list[Path]:
    """Every Python file of the five packages."""
    found = [
        path
        for package in PACKAGES
        for path in files_below(CHECKOUT / package)
        if path.suffix == ".py"
    ]
    assert len(found) > 20, "the walk found too little to judge anything"
    return found


def text_files() -> list[Path]:
    """Everything a person reads."""
    return [
        path
        for path in files_below(CHECKOUT)
        if path.suffix in TEXT and not path.name.startswith(".coverage")
    ]


def lines_matching(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """`file:line: text` of each line that matches."""
    return [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_is_a_drawer() -> None:
    drawers = [
        str(path.relative_to(CHECKOUT))
        for path in product_files()
        if DRAWERS & {path.stem, path.parent.name}
    ]
    assert drawers == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(CHECKOUT))
        for path in product_files()
        if not (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    ]
    assert silent == []


def test_no_note_to_oneself_is_left() -> None:
    assert lines_matching(NOTES, [path for path in text_files() if path.suffix == ".py"]) == []


def test_build_files_name_packages_and_never_hosts() -> None:
    found = []
    for name in BUILD_FILES:
        place = CHECKOUT / name
        found += [place] if place.is_file() else list(files_below(place))
    assert len(found) >= 6
    address = re.compile(r"[a-z]+://\w|--(?:extra-)?index-url|--find-links")
    assert lines_matching(address, found) == []


def test_no_line_depends_on_one_machine() -> None:
    assert lines_matching(DESKS, text_files()) == []


def shell_scripts() -> list[Path]:
    """Every script that a shell runs."""
    return [
        path
        for folder in ("scripts", "tests/bare", ".ci")
        for path in files_below(CHECKOUT / folder)
        if path.read_bytes().startswith(b"#!")
    ]


def test_scripts_can_be_run_and_parse_in_the_shell_they_name() -> None:
    scripts = shell_scripts()
    assert len(scripts) >= 5
    for path in scripts:
        first = path.read_text().splitlines()[0]
        assert first in ("#!/bin/sh", "#!/usr/bin/env bash"), path
        assert os.access(path, os.X_OK), f"{path} is not executable"
        shell = shutil.which(first.split("/")[-1].split()[-1])
        if shell is None:
            pytest.skip(f"the shell of {path.name} is not installed")
        subprocess.run([shell, "-n", str(path)], check=True)
