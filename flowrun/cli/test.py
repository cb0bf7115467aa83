"""`flowrun test`"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, FAILED
from flowrun.cli.parser import Parser
from flowrun.cli.signals import handling
from flowrun.cli.stderr import print_stderr
from flowrun.cli.stdout import print_stdout
from flowrun.errors import UsageError

if TYPE_CHECKING:
    from flowrun.inspect.testing.processes import Processes
    from flowrun.inspect.testing.verdict import Verdict

PROCESS = "flowrun.cli.single_test"
_POLL = 0.25  # seconds: Windows handles a signal only when the main thread wakes up


def main(argv: Sequence[str]) -> int:
    """Run tests and report them, one line each."""
    import tempfile

    from flowrun.system.usage import cores

    parser = Parser(
        prog="flowrun test",
        description="Run the flows `*.test.yaml`, and check their expectations and golden files.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, directories, globs")
    parser.add_argument("--format", choices=("text", "junit"), default="text")
    parser.add_argument("--update", action="store_true", help="write the golden files")
    parser.add_argument(
        "-j", dest="jobs", metavar="N", type=int, default=cores(), help="tests at a time"
    )
    parser.add_argument(
        "--timeout", metavar="DURATION", default="60s", help="for each test; default: 60s"
    )
    add_env_file(parser)
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.jobs < 1:
        raise UsageError(f"{options.jobs} is too small, expected at least 1", key="-j")
    environ_of(options)  # its errors are reported once, before the tests
    timeout = _seconds(options.timeout)

    from flowrun.inspect.testing.find import find_tests
    from flowrun.inspect.testing.processes import Processes
    from flowrun.inspect.testing.report import junit, text_of, total

    tests = find_tests(options.paths)
    show = print_stdout if options.format == "text" else print_stderr
    began, verdicts = time.monotonic(), []
    processes = Processes(timeout)
    with (
        tempfile.TemporaryDirectory(prefix="flowrun-test-", ignore_cleanup_errors=True) as folder,
        _interrupted_by_signals() as signals,
    ):
        try:
            for verdict in _judged(tests, Path(folder), processes, options, timeout):
                verdicts.append(verdict)
                show(text_of(verdict))
        except KeyboardInterrupt:
            print_stderr(f"flowrun: interrupted: {len(verdicts)} of {len(tests)} tests have ended")
            return 128 + signals[0]
    seconds = time.monotonic() - began
    show(total(verdicts, seconds))
    if options.format == "junit":
        print_stdout(junit(verdicts, seconds))
    return DONE if all(each.outcome == "passed" for each in verdicts) else FAILED


def _judged(
    tests: Sequence[Path],
    folder: Path,
    processes: Processes,
    options: argparse.Namespace,
    timeout: float,
) -> Iterator[Verdict]:
    """The verdicts in the order of `tests`, as soon as they are known."""
    from flowrun.inspect.testing.verdict import Updated, judge

    updated: Updated | None = {} if options.update else None

    def run(number: int, path: Path) -> Verdict:
        own = folder / str(number)
        own.mkdir()
        ended = processes.run([PROCESS, str(path), str(own), *options.env_file], own)
        return judge(path, own, ended, timeout=timeout, updated=updated)

    with ThreadPoolExecutor(min(options.jobs, len(tests)), "flowrun-test") as pool:
        futures = [pool.submit(run, number, path) for number, path in enumerate(tests)]
        try:
            for future in futures:
                yield _result(future)
        finally:  # at the end there is nothing left to cancel
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()


def _result(future: Future[Verdict]) -> Verdict:
    while True:
        with contextlib.suppress(FutureTimeoutError):
            return future.result(_POLL)


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[list[int]]:
    """The first signal raises `KeyboardInterrupt`, and its number is in the list then. Further ones
    do nothing: the end of the tests has a time limit."""
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt

    with handling(interrupt):
        yield received


def _seconds(text: str) -> float:
    from flowrun.spec.units import duration

    try:
        return duration(text)
    except ValueError as error:
        raise UsageError(f"{error}", key="--timeout", hint="for instance 60s or 5m") from error
