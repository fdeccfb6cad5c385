"""uWSGI by its own protocol behind nginx, by a Unix socket as its manual has it: its own cost."""

from entrants import Entrant

ENTRANT = Entrant(
    name="uwsgi-by-uwsgi",
    about="uwsgi_pass to uWSGI",
    command=(
        *("{programs}/uwsgi", "--socket", "{socket}", "--processes", "1", "--need-app", "--listen", "2048"),
        *("--buffer-size", "32768", "--module", "{app}:app", "--disable-logging", "--log-5xx", "--die-on-term"),
        *("--home", "{programs}/.."),
    ),
    requirements="uwsgi.txt",
    env={"BENCH_LENGTH": "1"},
    front="uwsgi",
)
