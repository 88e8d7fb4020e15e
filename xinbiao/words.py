"""Sentences in the person's language: English is the source, 简体中文 a table beside it.

`say("proved absent: {ident}", ident=…)` looks the English sentence up in the table of the language and
fills in the parts; a sentence that the table lacks is said in English, so nothing is ever silent.
`tests/unit/test_cli_words.py` checks that every sentence of the commands stands in the table and that a
translation has the same parts.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from xinbiao.help_zh import HELP_ZH
from xinbiao.words_zh import ZH

_TABLES: Final[Mapping[str, Mapping[str, str]]] = {"en": {}, "zh": ZH}


class Words:
    """Says sentences in one language.

    Attributes:
        language: `en` or `zh`.
    """

    def __init__(self, language: str) -> None:
        """Choose a language that `settings.LANGUAGES` has."""
        self.language = language
        self._table = _TABLES[language]

    def help(self, text: str) -> str:
        """Return a text of the help, translated."""
        return HELP_ZH.get(text, text) if self.language == "zh" else text

    def __call__(self, text: str, /, **parts: object) -> str:
        """Return `text`, translated, with its parts filled in."""
        return self._table.get(text, text).format(**parts)


def help_texts(command: Any) -> Iterator[tuple[Any, str]]:
    """Yield every place of a command tree that shows a text of ours: (owner, name of its attribute).

    Args:
        command: What Typer makes of an application.
    """
    yield from ((command, name) for name in ("help", "rich_help_panel"))
    for parameter in command.params:
        yield parameter, "help"
    for below in getattr(command, "commands", {}).values():
        yield from help_texts(below)


def translate_help(command: Any, words: Words) -> None:
    """Translate the help of a command tree, once."""
    for owner, name in help_texts(command):
        text = getattr(owner, name, None)
        if isinstance(text, str):
            setattr(owner, name, words.help(text))
