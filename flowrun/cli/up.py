"""`flowrun up`"""

from __future__ import annotations

import argparse
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, INVALID
from flowrun.cli.override_flags import complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.signals import handling
from flowrun.cli.stderr import add_log_options, log_as
from flowrun.cli.streams import stdout
from flowrun.errors import UsageError

if TYPE_CHECKING:
    from flowrun.up.children import Launcher
    from flowrun.up.flow_set import Entry, FlowSet
    from flowrun.up.site import Site

log = logging.getLogger("flowrun")

TOKEN = "FLOWRUN_WEB_TOKEN"  # noqa: S105 - the name of a variable
WATCH_INTERVAL = 1.0  # seconds; a change must be older, so that no half-written file is read
_WAKE = 0.25  # seconds; Windows runs signal handlers only when the main thread wakes up
_HANGUP = getattr(signal, "SIGHUP", None)


def main(argv: Sequence[str]) -> int:
    """Run many flows, each in a process of its own that is restarted when it fails."""
    parser = Parser(prog="flowrun up", description="Run many flows, each in its own process.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, directories, globs")
    parser.add_argument("--metrics", metavar="ADDRESS", help="metrics and health of all flows")
    parser.add_argument(
        "--web",
        metavar="ADDRESS",
        nargs="?",
        help=f"a web page of all flows; default: 127.0.0.1:8080; {TOKEN} protects it",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a further name by which --web and --metrics answer on a loopback address",
    )
    parser.add_argument("--watch", action="store_true", help="restart flows whose files change")
    add_env_file(parser)
    add_log_options(parser)
    options = parser.parse_args(complete_bare_web(argv))
    log_as(options)
    options.metrics = _address("--metrics", options.metrics, "")
    options.web = _address("--web", options.web, "127.0.0.1:8080")
    with ExitStack() as stack:
        return _Up(options, stack).run()


class _Up:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        from flowrun.up.child_client import ChildClient
        from flowrun.up.order import Order
        from flowrun.up.site import Site
        from flowrun.up.supervisor import Supervisor

        self._options = options
        self._acts: SimpleQueue[Any] = SimpleQueue()
        self._first = 0  # number of the first signal that stops
        self._entries: list[Entry] = []
        self._incomplete = False  # a path has no flow
        self._terminal = _has_terminal()
        stack.enter_context(handling(self._signalled))
        launcher = _launcher()  # it imports everything while the flows are read
        stack.callback(launcher.close)
        token = secrets.token_urlsafe()
        level = options.log_level
        self._supervisor = Supervisor(
            launcher,
            lambda loaded: Order(loaded, token, level, options.verbose),
            self._acts.put,
            addresses=tuple(filter(None, (options.metrics, options.web))),
        )
        self._site = Site(lambda: list(self._supervisor.members.values()), ChildClient(token))
        stack.callback(self._site.close)
        self._stack = stack

    def run(self) -> int:
        found = self._read()
        if not found.entries:
            return INVALID
        if found.skipped:
            log.info("flows: %d; other YAML files, skipped: %d", len(found.entries), found.skipped)
        self._entries = found.entries
        _serve(self._options, self._site, self._stack)
        self._supervisor.update(self._entries)
        watch = _Watch(self._options, self._entries) if self._options.watch else None
        supervisor = self._supervisor
        while True:
            wake = supervisor.step()
            if (
                supervisor.finished
                and (supervisor.stopping or watch is None)
                and self._acts.empty()
            ):
                break
            if watch is not None and not supervisor.stopping and watch.changed(time.monotonic()):
                self._reload(retry=False)
            with suppress(Empty):
                self._acts.get(timeout=min(_WAKE, _WAKE if wake is None else wake))()
        return self._code()

    def _read(self) -> FlowSet:
        """Read the flows, and log the paths without one. Raises `UsageError`."""
        from flowrun.up.flow_set import read_flows

        found = read_flows(self._options.paths, environ_of(self._options))
        for problem in found.problems:
            log.error("%s", problem)
        self._incomplete = bool(found.problems)
        return found

    def _reload(self, *, retry: bool) -> None:
        if self._supervisor.stopping:
            return
        try:
            found = self._read()
        except UsageError as error:  # of a file of variables
            log.error("%s; the flows stay as they are", error)  # noqa: TRY400 - no traceback
            return
        if not found.entries:  # as of a folder that is renamed, or not mounted
            log.error("there is no flow any more; the flows stay as they are")
            return
        self._entries[:] = found.entries
        self._supervisor.update(self._entries, retry=retry)

    def _code(self) -> int:
        if self._first:
            return 128 + self._first
        codes = [INVALID] if self._incomplete else []
        for member in self._supervisor.members.values():
            if member.state == "invalid":
                codes.append(INVALID)
            elif member.state == "failed":
                codes.append(member.exit_code or DONE)
        return max(codes, default=DONE)

    def _signalled(self, number: int, _: object) -> None:
        self._acts.put(lambda: self._act_on(number))

    def _act_on(self, number: int) -> None:
        if number == _HANGUP and not (self._terminal and not _has_terminal()):
            log.info("SIGHUP: reading the flows again")
            self._reload(retry=True)
        elif self._first:
            self._supervisor.abort()
        else:
            self._first = number
            log.info("stopping: frames in flight are finished first; a second signal aborts")
            self._supervisor.stop()


class _Watch:
    """Notices changes of the files of `entries`, and of the flows in the paths of `options`."""

    def __init__(self, options: argparse.Namespace, entries: list[Entry]) -> None:
        self._options = options
        self._entries = entries
        self._used = self._last = self._stamps()
        self._next = time.monotonic() + WATCH_INTERVAL

    def changed(self, now: float) -> bool:
        """Whether something has changed that stays as it is for `WATCH_INTERVAL`."""
        if now < self._next:
            return False
        self._next = now + WATCH_INTERVAL
        before, self._last = self._last, self._stamps()
        if self._last == self._used or self._last != before:
            return False
        self._used = self._last
        return True

    def _stamps(self) -> Mapping[str, object]:
        from flowrun.up.flow_set import stamps

        files = {file for entry in self._entries for file in entry.files}
        return stamps(self._options.paths, files | {*self._options.env_file})


def _address(option: str, given: str | None, default: str) -> str | None:
    """HOST:PORT of an option; a port alone is that of the loopback address, as is `localhost`."""
    if given is None:
        return None
    address = re.sub(r"(?i)^localhost:", "127.0.0.1:", given or default)
    if re.fullmatch(r"\d+", address):
        address = f"127.0.0.1:{address}"
    port = re.fullmatch(r".+:(\d{1,5})", address)
    if port is None or int(port[1]) > 65535:  # noqa: PLR2004 - the highest port
        raise UsageError(f"{option} {given}: expected HOST:PORT", hint="such as 127.0.0.1:9100")
    return address


def _serve(options: argparse.Namespace, site: Site, stack: ExitStack) -> None:
    """Serve the page and the metrics, from one address if they have the same. Raises
    `RunError`."""
    from flowrun.system.http.access import Access
    from flowrun.system.http.server import HttpServer

    token = environ_of(options).get(TOKEN) or None
    together = options.web is not None and options.web == options.metrics
    if options.metrics is not None and not together:
        access = Access(options.allow_host)
        server = HttpServer(options.metrics, site.monitoring(), key="--metrics", access=access)
        stack.callback(server.close)
        log.info("metrics: %s/metrics", server.url)
    if options.web is not None:
        routes = site.everything() if together else site.pages()
        access = Access(options.allow_host, token)
        server = HttpServer(
            options.web, routes, key="--web", access=access, connections=_CONNECTIONS
        )
        stack.callback(server.close)
        if together:
            log.info("metrics: %s/metrics", server.url)
        suffix = "" if token is None else f"/?token=… (that of {TOKEN})"
        log.info("watch the flows at %s%s", server.url, suffix)
        if not server.is_loopback and token is None:
            log.warning(
                "anyone who can reach %s can watch the flows; the variable %s prevents that",
                *(server.url, TOKEN),
            )


_CONNECTIONS = 96  # a page of many flows has a picture of each


def _launcher() -> Launcher:
    from flowrun.up.children import SpawnLauncher
    from flowrun.up.fork_launcher import ForkLauncher

    command = [sys.executable, "-m", "flowrun.cli.supervised"]
    launcher = ForkLauncher if sys.platform == "linux" else SpawnLauncher
    return launcher(command, _stdout())


def _stdout() -> int | None:
    """The standard output, for sinks of flows that write there."""
    try:
        return stdout().fileno()
    except (OSError, ValueError):
        return None


def _has_terminal() -> bool:
    """Whether the process has a controlling terminal that is open."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True
