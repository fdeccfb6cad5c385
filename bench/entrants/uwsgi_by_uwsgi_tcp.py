"""uWSGI by its own protocol behind nginx, by TCP: its own cost."""

from dataclasses import replace

from entrants import uwsgi_by_uwsgi

ENTRANT = replace(
    uwsgi_by_uwsgi.ENTRANT,
    name="uwsgi-by-uwsgi-tcp",
    about="uwsgi_pass by TCP",
    command=tuple(word.replace("{socket}", "127.0.0.1:{port}") for word in uwsgi_by_uwsgi.ENTRANT.command),
)
