"""The demo shows the whole chain, and README's first screen is what it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]


def shape(line: str) -> str:
    """Return a line without what differs from run to run: numbers, paths and runs of blanks."""
    without_paths = re.sub(r"\S*/trust/", "trust/", line)
    return re.sub(r"[ 　]+", " ", re.sub(r"[0-9][0-9.,:]*", "0", without_paths)).strip()


def first_screen(readme: str) -> list[str]:
    """Return the lines of the demo that a README shows."""
    text = (ROOT / readme).read_text("utf-8")
    _, _, after = text.partition("tests/e2e/test_demo.py")
    block = after.split("```")[1]
    return [shape(line) for line in block.strip().splitlines()[1:]]


def run(directory: Path, language: str = "en", *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a newcomer does."""
    command = [sys.executable, "-m", "xinbiao", "--lang", language, "--dir", str(directory)]
    return subprocess.run(
        [*command, "demo", "--once", *more],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def tour(directory: Path, language: str = "en", *more: str) -> list[str]:
    """Run the demo once and return the lines that it prints."""
    done = run(directory, language, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("readme", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")], ids=["en", "zh"]
)
def test_readme_shows_what_the_demo_prints(readme: str, language: str, tmp_path: Path) -> None:
    """Every line of the first screen, in both languages, and no other."""
    said = tour(tmp_path / "demo", language)
    assert first_screen(readme) == [shape(line) for line in said]


def test_second_run_goes_on(tmp_path: Path) -> None:
    """A second run in the same directory registers nothing twice and anchors on top."""
    first = tour(tmp_path / "demo")
    second = tour(tmp_path / "demo")
    assert [shape(line) for line in first] == [shape(line) for line in second]
    counts = [
        int(re.findall(r"anchored +([0-9,]+)", line)[0].replace(",", ""))
        for line in (first[1], second[1])
    ]
    assert counts[1] == 2 * counts[0]


def test_data_of_ones_own(tmp_path: Path) -> None:
    """Every row of a given series is anchored, a bad one is named, and three readings are proved."""
    series = tmp_path / "press.csv"
    rows = [f"2026-01-01 00:{n // 60:02}:{n % 60:02},{20 + n / 10}" for n in range(120)]
    series.write_text("\n".join(["timestamp,value", *rows, "no time,1"]) + "\n")
    said = tour(tmp_path / "demo", "en", "--data", str(series))
    assert any("press.csv:122" in line for line in said)
    assert "anchored 120 readings in 1 batches" in [re.sub(" +", " ", line) for line in said]
    assert sum("was signed by gateway" in line for line in said) == 3


def test_directory_of_another_network_is_refused(tmp_path: Path) -> None:
    """The demo never works on a network that it did not make."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "node.toml").write_text('[ledger]\nnetwork = "other"\n')
    done = run(folder)
    assert done.returncode == 2
    assert "belongs to network other" in done.stderr
