"""From transcript files into the archive: finds them, reads what is new, loads it.

A file that did not change since the last time costs one ``stat``; one that grew is read
from where it ended; one that was rewritten is read again, and its records are recognised
by their ids. Each file is one transaction, together with the note how far it was read: an
import that is killed has loaded whole files and goes on with the rest the next time.

- :mod:`.finding`: which files there are, and whose; :mod:`.lookup`: what the archive knows of them
- :mod:`.run`: one import, file by file; :mod:`.tally`: what was done
- :mod:`.loading`, :mod:`.reading`: one file that is new or has changed
- :mod:`.options`: how; :mod:`.shaping`, :mod:`.binaries`: what is made of the messages on their way
- :mod:`.watch`: an import whenever something changes
"""

from __future__ import annotations

from .finding import Place, known_places, survey
from .options import ImportOptions
from .run import Progress, import_paths

__all__ = ["ImportOptions", "Place", "Progress", "import_paths", "known_places", "survey"]
