"""Every sentence of the commands is translated, with the same parts."""

import ast
import string
from pathlib import Path

import pytest
import typer

from xinbiao.cli import app, run_command
from xinbiao.help_zh import HELP_ZH
from xinbiao.settings import LANGUAGES
from xinbiao.words import Words, help_texts
from xinbiao.words_zh import ZH

PACKAGE = Path(__file__).parents[2] / "xinbiao"
SPEAKERS = frozenset(("say", "note"))


def sentences() -> set[str]:
    """Return the literal sentences that the commands say."""
    found: set[str] = set()
    for file in (*PACKAGE.glob("*.py"), *(PACKAGE / "commands").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            first = node.args[0]
            if (
                name in SPEAKERS
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                found.add(first.value)
    return found


def parts(text: str) -> list[str]:
    """Return the parts that a sentence fills in, sorted."""
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_sentence_is_translated() -> None:
    """No command speaks English to somebody who chose Chinese; a bare part needs no translation."""
    untranslated = {text for text in sentences() - ZH.keys() if text.strip("{}") != "note"}
    assert untranslated == set()
    assert len(sentences()) > 50


@pytest.mark.parametrize("text", sorted(ZH), ids=range(len(ZH)))
def test_parts_are_the_same(text: str) -> None:
    """A translation fills in exactly what the sentence fills in."""
    assert parts(text) == parts(ZH[text])


@pytest.mark.parametrize("language", LANGUAGES)
def test_parts_are_filled_in(language: str) -> None:
    """Both languages show the parts."""
    assert "hdl:lab.1/x" in Words(language)("proved absent: {ident}", ident="hdl:lab.1/x")
    assert Words(language)("unknown to the table {n}", n=7) == "unknown to the table 7"


def test_every_text_of_the_help_is_translated_and_nothing_else() -> None:
    """Titles of the panels too; Typer's own words and what is in both languages already are left."""
    shown = {getattr(owner, name, None) for owner, name in help_texts(typer.main.get_command(app))}
    bilingual = {text for text in shown if isinstance(text, str) and not text.isascii()}
    ours = {text for text in shown - bilingual if isinstance(text, str)}

    assert ours == HELP_ZH.keys()


def test_the_help_speaks_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    """Before any option is read, and without changing the next English one."""
    assert run_command(["--lang", "zh", "verify", "--help"]) == 0
    assert "离线验证" in capsys.readouterr().out
    assert run_command(["--lang=en", "verify", "--help"]) == 0
    assert "离线验证" not in capsys.readouterr().out
