"""The sentences of the commands in 简体中文; `words` looks them up."""

from typing import Final

ZH: Final[dict[str, str]] = {}
