"""``python -m streamclust``."""

from streamclust.cli import main

main()
