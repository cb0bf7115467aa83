"""Start, restart and stop the processes of flows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flowrun.errors import RunError
from flowrun.run import DRAIN
from flowrun.spec.load import LoadedFlow
from flowrun.up.child_lines import LogLine, read_line
from flowrun.up.children import Launcher
from flowrun.up.conflicts import Used
from flowrun.up.flow_set import Entry
from flowrun.up.member import Member
from flowrun.up.order import Order
from flowrun.up.restarts import Restarts, is_finite

log = logging.getLogger("flowrun")

SPACING = 0.25  # seconds between two starts
_MARGIN = 10.0  # seconds beyond its own deadline after which a process that stops is killed
_ABORT = 4.0  # seconds after which a process that aborts is killed

Post = Callable[[Callable[[], None]], None]


class Supervisor:
    """The flows of one `up`. One thread calls its methods; `members` may be read by any.

    `post` has a callable called on that thread, from any other. `order` makes what the process of a
    flow is handed. Nothing waits here: `step` does what is due.
    """

    def __init__(
        self,
        launcher: Launcher,
        order: Callable[[LoadedFlow], Order],
        post: Post,
        clock: Callable[[], float] = time.monotonic,
        addresses: tuple[str, ...] = (),
    ) -> None:
        self.members: dict[Path, Member] = {}
        self.stopping = False
        self._launcher = launcher
        self._order = order
        self._post = post
        self._clock = clock
        self._addresses = addresses
        self._next_start = clock()

    @property
    def finished(self) -> bool:
        """Whether no flow runs or will be started."""
        return all(each.child is None and each.due is None for each in self.members.values())

    def update(self, entries: Sequence[Entry], *, retry: bool = False) -> None:
        """Run the flows of `entries`, the first time or after a change: start the new ones, restart
        those that have changed, stop those whose file is gone. A flow with a problem does not run,
        or goes on as it was. With `retry`, those that have failed for good are started again."""
        found = {entry.file: entry for entry in entries}
        for file, member in list(self.members.items()):
            if file not in found:
                self._remove(member)
        for entry in entries:
            if entry.file not in self.members:
                self.members[entry.file] = Member(entry.file, name=entry.file.stem)
        used = Used(self._addresses)
        # Those that run come first: a file that is added cannot take their names and files.
        for entry in sorted(entries, key=lambda each: self.members[each.file].loaded is None):
            member, loaded = self.members[entry.file], entry.loaded
            problem = used.problem(loaded) if loaded is not None else None
            problems = entry.problems if problem is None else (problem,)
            if loaded is not None and problem is None:
                self._accept(member, loaded, retry=retry)
            else:
                self._reject(member, "\n".join(map(str, problems)))
            if member.loaded is not None:
                used.add(member.loaded)

    def step(self) -> float | None:
        """Do what is due. Returns the seconds until something else is, `None` if nothing is."""
        now = self._clock()
        for member in self.members.values():
            if member.kill_at is not None and member.kill_at <= now and member.child is not None:
                _log(member, logging.WARNING, "it has not ended in time and is killed")
                member.child.kill()
                member.kill_at = None
        due = sorted((m.due, n) for n, m in enumerate(self.members.values()) if m.due is not None)
        members = list(self.members.values())
        for at, number in due:
            if max(at, self._next_start) > now:
                break
            self._start(members[number], now)
            self._next_start = now + SPACING
        times = [max(m.due, self._next_start) for m in members if m.due is not None]
        times += [m.kill_at for m in members if m.kill_at is not None]
        return max(0.0, min(times) - now) if times else None

    def stop(self) -> None:
        """Start nothing more, and stop all flows: frames in flight are finished first."""
        self.stopping = True
        for member in self.members.values():
            if member.due is not None:
                member.due, member.state = None, "ended"
            self._stop(member)

    def abort(self) -> None:
        """Abort all flows."""
        self.stopping = True
        for member in self.members.values():
            if member.child is not None:
                member.child.abort()
                member.kill_at = self._clock() + _ABORT

    def _accept(self, member: Member, loaded: LoadedFlow, *, retry: bool) -> None:
        before, member.problem = member.loaded, ""
        if member.removed:  # its file is back before its process has ended
            member.removed, member.changed = False, True
        failed = retry and member.state == "failed"
        if before is not None and before.flow == loaded.flow and not failed:
            return
        for note in loaded.notes:
            log.warning("%s", note)
        member.loaded, member.name, member.live = loaded, loaded.flow.name, None
        member.restarts = Restarts()
        if member.child is None:
            member.due, member.state = self._clock(), "waiting"
        else:
            _log(member, logging.INFO, "its file has changed: restarting it")
            member.changed = True
            self._stop(member)

    def _reject(self, member: Member, text: str) -> None:
        if text == member.problem:
            return  # logged before
        member.problem = text
        _log(member, logging.ERROR, f"it is invalid\n{text}")
        if member.loaded is not None:
            _log(member, logging.WARNING, "the former version stays in use")

    def _remove(self, member: Member) -> None:
        member.removed = True
        _log(member, logging.INFO, "its file is gone: stopping it")
        member.due = None
        if member.child is None:
            del self.members[member.file]
        else:
            self._stop(member)

    def _stop(self, member: Member) -> None:
        if member.child is None or member.state == "stopping" or member.loaded is None:
            return
        member.state = "stopping"
        member.child.stop()
        member.kill_at = self._clock() + DRAIN + member.loaded.flow.transport.timeout + _MARGIN

    def _start(self, member: Member, now: float) -> None:
        assert member.loaded is not None  # noqa: S101
        member.starts += 1
        member.due, member.state, member.running_since = None, "starting", None
        member.error = ""
        number = member.starts
        try:
            member.child = self._launcher.start(
                self._order(member.loaded),
                partial(self._line, member, number),
                lambda code: self._post(partial(self._ended, member, number, code)),
            )
        except OSError as error:  # no processes, memory or file descriptors
            _log(member, logging.ERROR, f"its process does not start: {error}")
            self._plan(member, RunError.exit_code, now, 0.0)

    def _line(self, member: Member, number: int, line: str) -> None:
        """A line of the process `number` of `member`; on any thread."""
        found = read_line(line)
        if isinstance(found, LogLine):
            if found.level >= logging.ERROR:
                member.error = found.message
            _log(member, *found)
        else:
            self._post(partial(self._reported, member, number, found))

    def _reported(self, member: Member, number: int, report: dict[str, Any]) -> None:
        if member.child is None or number != member.starts:
            return
        if isinstance(report.get("port"), int):
            member.port = report["port"]
        if report.get("running"):
            member.running_since, member.live = self._clock(), bool(report.get("live"))
            if member.state == "starting":
                member.state = "running"

    def _ended(self, member: Member, number: int, code: int) -> None:
        if number != member.starts or member.child is None:
            return
        now = self._clock()
        healthy = 0.0 if member.running_since is None else now - member.running_since
        member.child = member.port = member.kill_at = member.running_since = None
        member.exit_code = code
        if member.removed:
            self.members.pop(member.file, None)
            _log(member, logging.INFO, "stopped")
        elif self.stopping:
            member.state = "ended"
            _log(member, logging.INFO, f"ended with exit code {code}")
        elif member.changed:
            member.changed, member.due, member.state = False, now, "waiting"
        else:
            self._plan(member, code, now, healthy)

    def _plan(self, member: Member, code: int, now: float, healthy: float) -> None:
        """Restart `member`, which has ended by itself, or not."""
        assert member.loaded is not None  # noqa: S101
        finite = is_finite(member.loaded.flow, member.live)
        delay = member.restarts.delay(code, finite=finite, now=now, healthy=healthy)
        if delay is not None:
            member.due, member.state = now + delay, "waiting"
            _log(member, logging.WARNING, f"ended with exit code {code}; next start in {delay:g} s")
        elif code:
            member.state = "failed"
            _log(member, logging.ERROR, f"ended with exit code {code}; it is not started again")
        else:
            member.state = "ended"
            _log(member, logging.INFO, "ended: done")


def _log(member: Member, level: int, message: str) -> None:
    log.log(level, "%s", message, extra={"flow": member.name})
