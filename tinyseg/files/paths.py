"""What may name a file, and what its name is as text.

A file system holds bytes, and a name from elsewhere may be none in today's encoding: Python then has halves
of surrogate pairs in their place, which no text file and no terminal takes.
"""

import os

PathLike = str | os.PathLike[str]


def printable(name: str) -> str:
    r"""``name`` as text that can be printed and written, with escapes for what is no text.

    >>> printable("caf\udce9.png"), printable("straße.png")
    ('caf\\udce9.png', 'straße.png')
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def name_bytes(name: str) -> bytes:
    r"""The bytes that a name has on disk where names are UTF-8, whatever they are, and the same on any machine.

    >>> name_bytes("caf\udce9"), name_bytes("café")
    (b'caf\xe9', b'caf\xc3\xa9')
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # Windows has names with surrogates of other kinds
        return name.encode("utf-8", "surrogatepass")
