"""Backups: made while others write, verified before they count, restored as a whole.

- :mod:`.files`: what a backup is called, and which there are
- :mod:`.manifest`: what is known of a backup without opening it
- :mod:`.temporary`: files that are gone unless they are finished
- :mod:`.packing`: compressed backups
- :mod:`.making`, :mod:`.verifying`, :mod:`.restoring`: what is done with them
- :mod:`.replacing`, :mod:`.aside`: what is in the archive before a restore, and where it goes
- :mod:`.retention`: which old ones may go
"""
