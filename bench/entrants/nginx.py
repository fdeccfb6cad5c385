"""nginx of Debian: one worker, sendfile, descriptors kept by its open_file_cache; the files' own server."""

from entrants import Entrant

ENTRANT = Entrant(
    name="nginx",
    about="C",
    command=("{python}", "folder.py", "{port}"),
    interface="nginx",
    requirements="none.txt",
    debian={"/usr/sbin/nginx": "nginx-light"},
)
