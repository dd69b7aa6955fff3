"""`python -m folkmoot` is the `folkmoot` command."""

from folkmoot.cli import main

main()
