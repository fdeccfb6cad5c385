"""Writes nginx's configuration for the files of BENCH_STATIC and becomes nginx: folder.py PORT."""

import os
import sys
import tempfile
from pathlib import Path

CONF = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /static/ {{ alias {static}/; }}
    }}
}}
"""

if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp(dir=Path(os.environ["BENCH_STATIC"]).parent, prefix="nginx-"))
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONF.format(user=user, folder=folder, port=sys.argv[1], static=os.environ["BENCH_STATIC"])
    (folder / "nginx.conf").write_text(text)
    os.execv("/usr/sbin/nginx", ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
