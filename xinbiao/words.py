"""Sentences in the person's language: English is the source, 简体中文 a table beside it.

`say("proved absent: {ident}", ident=…)` looks the English sentence up in the table of the language and
fills in the parts; a sentence that the table lacks is said in English, so nothing is ever silent.
`tests/unit/test_cli_words.py` checks that every sentence of the commands stands in the table and that a
translation has the same parts.
"""

from collections.abc import Mapping
from typing import Final

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

    def __call__(self, text: str, /, **parts: object) -> str:
        """Return `text`, translated, with its parts filled in."""
        return self._table.get(text, text).format(**parts)
