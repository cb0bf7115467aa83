"""A real nginx: before a model server as a proxy of gRPC, or as a server of RTMP."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.testbed.process import free_ports, running, wait_until_ready

HOST = "models.example.org"
# `{folder}/busy`: while there is such a file, the answer is 429.
_CONFIG = """\
daemon off;
master_process off;  # the workers of root's nginx are another user's
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size {limit};
    server {{
        listen 127.0.0.1:{port} http2 default_server;
        location / {{
            if (-f {folder}/busy) {{ return 429; }}
            {default};
        }}
    }}
    server {{
        listen 127.0.0.1:{port} http2;
        server_name {host};
        location / {{ {proxy}; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(
    executable: str, folder: Path, backend: str, *, limit: str = "0", by_host: bool = False
) -> Iterator[str]:
    """The address of an nginx that passes requests on to `backend`: all, or, `by_host`, only those
    for `HOST`, and refuses others with 404. `limit` is its `client_max_body_size`, 0: none."""
    (port,) = free_ports(1)
    proxy = f"grpc_pass grpc://{backend}"
    text = _CONFIG.format(
        folder=folder,
        port=port,
        limit=limit,
        host=HOST,
        proxy=proxy,
        default="return 404" if by_host else proxy,
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [executable, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running([*command, "-e", "stderr"], folder / "log") as process:
        wait_until_ready(process, folder / "log", lambda: _listens(port))
        yield f"127.0.0.1:{port}"


RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
_RTMP_CONFIG = """\
load_module {module};
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; record off; }} }} }}
"""


@contextlib.contextmanager
def rtmp_server(executable: str, folder: Path, port: int) -> Iterator[str]:
    """`rtmp://127.0.0.1:PORT/live` while the block runs."""
    folder.mkdir(exist_ok=True)
    text = _RTMP_CONFIG.format(module=RTMP_MODULE, folder=folder, port=port)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [executable, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running([*command, "-e", "stderr"], folder / "log") as process:
        wait_until_ready(process, folder / "log", lambda: _listens(port))
        yield f"rtmp://127.0.0.1:{port}/live"


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
