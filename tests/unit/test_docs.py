"""What the documents say is so: links lead somewhere, files they name exist, settings are explained."""

import importlib
import importlib.util
import re
import tomllib
from pathlib import Path

from pydantic import BaseModel

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "resolver", "edge_agent", "simulations", "xinbiao")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(
    r"`((?:ledger|resolver|edge_agent|simulations|xinbiao|tests|scripts|docs)/[\w./-]+)`"
)


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    found = [
        *CHECKOUT.glob("*.md"),
        *(CHECKOUT / "docs").rglob("*.md"),
        *(CHECKOUT / "tests").rglob("*.md"),
    ]
    assert len(found) >= 15
    return found


def anchors(document: Path) -> set[str]:
    """The anchors that a Markdown renderer makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_inside_the_project_leads_somewhere() -> None:
    dead = []
    for document in documents():
        for target in LINK.findall(FENCE.sub("", document.read_text())):
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, anchor = target.partition("#")
            place = (document.parent / name).resolve() if name else document
            if not place.exists() or (anchor and anchor not in anchors(place)):
                dead.append(f"{document.relative_to(CHECKOUT)}: {target}")
    assert dead == []


def test_every_file_that_the_documents_name_exists() -> None:
    missing = [
        f"{document.relative_to(CHECKOUT)}: {name}"
        for document in documents()
        for name in NAMED_FILE.findall(document.read_text())
        if not (CHECKOUT / name).exists()
    ]
    assert missing == []


def test_the_changelog_knows_the_version_of_the_package() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version} " in (CHECKOUT / "CHANGELOG.md").read_text()


def test_every_decision_is_listed_and_owns_its_number() -> None:
    folder = CHECKOUT / "docs" / "adr"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == files
    for name in files:
        text = (folder / name).read_text()
        assert text.startswith(f"# {name[:4]} "), name
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{name} lacks {part}"


def test_the_makefile_targets_that_are_documented_exist_and_the_other_way_round() -> None:
    real = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"`make ([a-z-]+)`", (CHECKOUT / "CONTRIBUTING.md").read_text()))
    assert real - told <= {"readme"}
    assert told <= real


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    reasons = (CHECKOUT / "docs" / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    names = [re.split(r"[<>=\[ ]", line)[0].lower() for line in project["dependencies"]]
    unexplained = [name for name in names if name not in reasons.lower() and name != "pydantic"]
    assert unexplained == []


def setting_names(package: str) -> list[str]:
    """The fields of every settings class that a package defines."""
    if importlib.util.find_spec(f"{package}.settings") is None:
        return []
    module = importlib.import_module(f"{package}.settings")
    return [
        name
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, BaseModel)
        and thing.__module__ == module.__name__
        for name in thing.model_fields
    ]


def test_every_setting_is_explained() -> None:
    text = (CHECKOUT / "docs" / "operating.md").read_text()
    names = {name for package in PACKAGES for name in setting_names(package)}
    assert "disk_free_bytes_min" in names
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
