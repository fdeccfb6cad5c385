"""Names of parametrized tests that are the same in every process that collects them."""

import re


def shown(value: object) -> str:
    """Its repr, without where it lies in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
