"""Granian's own files, by --static-path-mount; the other options are those of granian_rsgi.py."""

from dataclasses import replace

from entrants import granian_rsgi

COMMAND = granian_rsgi.ENTRANT.command

ENTRANT = replace(
    granian_rsgi.ENTRANT,
    name="granian-static",
    about="Rust, tokio, hyper",
    command=(*COMMAND[:-1], "--static-path-route", "/static", "--static-path-mount", "{static}", COMMAND[-1]),
    interface="nothing",
)
