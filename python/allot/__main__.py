"""``python -m allot``, as the command ``allot``."""

from ._programs import main

main()
