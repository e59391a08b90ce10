"""From what an importer yields into the archive, and whose fault it is when that fails."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FilterError, GlinError
from ..importers.base import (
    Checkpoint,
    File,
    Importer,
    Item,
    Moved,
    Said,
    Skipped,
    Summary,
    Unknown,
    Usage,
)
from ..importers.third_party import error_text
from ..models import Conversation
from ..storage.load import Loader
from .failures import ImporterFailed, Overtaken
from .tally import MAX_PROBLEMS

__all__ = ["Reading", "blaming", "feed", "read"]

#: Items between two calls.
_STEP = 1000


@dataclass(slots=True)
class Reading:
    """What one reading of a file said, beside what went into the archive."""

    end: Checkpoint
    #: Whether it holds anything at all.
    said: bool = False
    skipped: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    problems: list[Skipped] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    @property
    def unreadable(self) -> str | None:
        """Why nothing in the file could be read, if that is so."""
        whole = next((each for each in self.problems if each.line is None), None)
        return whole.error if whole and not self.said else None

    @property
    def torn(self) -> bool:
        """Whether the last line is still being written: it will be read again."""
        return bool(self.problems) and (self.problems[-1].line or 0) > self.end.line > 0

    @property
    def last_error(self) -> str | None:
        if not self.problems:
            return None
        last = self.problems[-1]
        return f"line {last.line}: {last.error}" if last.line else last.error


#: What SQLite says of a value that cannot be stored, as against the state of the archive.
_VALUE_ERRORS = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


@contextlib.contextmanager
def blaming(importer: Importer) -> Iterator[None]:
    """Tell what goes wrong inside as a failure of the importer, unless it lies in the file
    or in the archive.

    :raises ImporterFailed: if it does not
    """
    try:
        yield
    except (ImporterFailed, Overtaken, OSError):
        raise
    except GlinError as ex:
        if isinstance(ex.__cause__, _VALUE_ERRORS):
            raise _failed(importer, ex.__cause__) from ex
        if isinstance(ex, FilterError):
            raise _failed(importer, ex) from ex
        raise
    except Exception as ex:
        raise _failed(importer, ex) from ex


def read(importer: Importer, path: Path, start: Checkpoint) -> Iterator[Item]:
    """What an importer yields. Whatever it raises but OSError, SQLite's errors with the
    databases that it reads included, is no error of ours."""
    try:
        yield from importer.read(path, start)
    except OSError:
        raise
    except Exception as ex:
        raise _failed(importer, ex) from ex


def _failed(importer: Importer, ex: Exception) -> ImporterFailed:
    return ImporterFailed(f"the importer {importer.name} failed: {error_text(ex)}")


def feed(
    load: Loader, items: Iterator[Item], start: Checkpoint, tick: Callable[[int], None]
) -> Reading:
    """Put what an importer yields into the archive. ``tick`` is called now and then with
    the messages that it added."""
    reading = Reading(start)
    for number, item in enumerate(items, 1):
        if number % _STEP == 0:
            tick(load.messages)
        match item:
            case Said():
                reading.said = True
                load.message(item.conversation, item.message)
            case Conversation():
                reading.said = True
                load.conversation(item)
            case Usage():
                load.usage(
                    item.conversation,
                    item.message,
                    item.token_in,
                    item.token_out,
                    item.token_cached,
                )
            case Moved():
                load.moved(item.conversation, item.messages)
            case File():
                load.file(item.attachment)
            case Summary():
                reading.summaries.append(item)
            case Skipped():
                reading.skipped += 1
                if len(reading.problems) < MAX_PROBLEMS:
                    reading.problems.append(item)
            case Unknown():
                reading.unknown[item.kind] += 1
            case Checkpoint():
                reading.end = item
            case _:
                raise TypeError(f"{type(item).__name__} is no item")
        # A large one is not held while the next one is read.
        del item
    return reading
