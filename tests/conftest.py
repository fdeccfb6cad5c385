"""Options in the caller's environment are not the tests'."""

import os

for name in [name for name in os.environ if name.startswith(("VELOCEM_", "WEB_CONC"))]:
    del os.environ[name]
