"""`python -m xinbiao` is `xinbiao`."""

from xinbiao.cli import main

main()
