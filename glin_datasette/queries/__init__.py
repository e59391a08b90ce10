"""The canned queries: one ``.sql`` file each, the same for the CLI, the plugin and search.

A file begins with a header of SQL comments::

    -- title: Search messages
    -- description: The words that a message holds, best first
    -- param: q | words, "phrases", prefix*, OR, -word
    -- param: size | how many | 50

Each ``param`` line names a parameter, says what it is and, after a second ``|``, the
value that an empty one stands for. Inside the SQL an empty parameter is written
``:size``, and :func:`load` puts the default in its place, because Datasette's forms send
an empty text for what nobody filled in.

A line ``-- filters`` stands for the message filters of :mod:`.filters`: all of them, each
off while its parameter is empty, when the query is canned; the active ones only when
search runs it.
"""
