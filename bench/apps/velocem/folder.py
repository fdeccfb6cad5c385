"""The files of BENCH_STATIC, served by the core."""

import os

from velocem import App

app = App()
app.static("/static", os.environ["BENCH_STATIC"])
