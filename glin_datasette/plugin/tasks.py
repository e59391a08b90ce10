"""Work that takes longer than a request: done in a thread, looked at from any page.

One thing at a time for an archive. It goes on when the page that began it is closed, and
a server that is told to stop waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from ..dates import utc_now
from ..errors import GlinError

State = Literal["running", "done", "failed"]
#: Called with what is done and what there is to do in all.
Progress = Callable[[int, int], None]

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="glin-task")


@dataclass(slots=True)
class Task:
    """Something that is being done, or was. Its thread writes what others read."""

    #: ``backup`` or ``verify``, and the backup that is meant, if there is one already.
    kind: str
    name: str | None = None
    state: State = "running"
    done: int = 0
    total: int = 0
    started_at: str = field(default_factory=utc_now)
    finished_at: str | None = None
    result: Any = None
    error: str | None = None
    future: Future[None] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether it is not over yet."""
        return self.state == "running"

    def told(self) -> dict[str, Any]:
        """What pages and JSON say of it."""
        return {
            name: getattr(self, name)
            for name in (
                "kind", "name", "state", "done", "total", "started_at", "finished_at", "result",
                "error",
            )
        }  # fmt: skip


def start(task: Task, work: Callable[[Progress], Any]) -> Task:
    """Begin ``work`` in a thread; ``task`` tells how it goes."""

    def progress(done: int, total: int) -> None:
        task.done, task.total = done, total

    def run() -> None:
        try:
            task.result = work(progress)
        except GlinError as ex:
            task.error, state = str(ex), "failed"
        except Exception as ex:
            # Nobody waits for it who could be told otherwise.
            task.error, state = f"{type(ex).__name__}: {ex}", "failed"
        else:
            state = "done"
        task.finished_at = utc_now()
        task.state = state  # type: ignore[assignment]  # Last: whoever sees it sees the rest.

    task.future = _THREADS.submit(run)
    return task
