"""``python -m flows.cli``: the `evercurrent` command where its script is not on the path."""

from flows.cli.commands import main

main()
