"""Zip archives whose members are handed out as memory: of the file itself where they are stored as they are."""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

MAX_INFLATION = 20
SMALL = 1 << 20

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


class ArchiveError(ValueError):
    """An archive is damaged, or would grow beyond reason."""


def map_file(file: BinaryIO) -> mmap.mmap:
    """The content of an open file as memory that is read from the disk when it is looked at; it outlives ``file``."""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Archive:
    """The members of a zip archive by name. Each is checked against its checksum when it is read.

    Raises ``ArchiveError`` when it is damaged, encrypted, compressed in another way than deflate, or when what is
    compressed claims to be more than 20 times the archive's size: weights shrink to nine tenths.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._content = memoryview(map_file(file))
                with zipfile.ZipFile(file) as archive:
                    members = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error) as error:
            raise ArchiveError(f"its zip archive is damaged or incomplete ({error})") from error
        self._members = {member.filename: member for member in members}
        if len(self._members) != len(members):
            raise ArchiveError("its zip archive has two members of one name")
        inflated = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
        size = len(self._content)
        if sum(member.compress_size for member in members) > size:
            raise ArchiveError("its zip archive has members that overlap or are cut off")
        if inflated > SMALL + MAX_INFLATION * size:
            raise ArchiveError(f"its zip archive of {size:,} bytes would grow to {inflated:,}, which no weights do")

    def names(self) -> list[str]:
        """The names of all members."""
        return list(self._members)

    def size(self, name: str) -> int:
        """How many bytes a member claims to have."""
        return self._member(name).file_size

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise ArchiveError(f"its zip archive has no member {name!r}")
        return self._members[name]

    def read(self, name: str) -> memoryview:
        """A member's bytes: a view of the file for one that is stored, a new block of memory for a compressed one."""
        member = self._member(name)
        if member.flag_bits & 0x1:
            raise ArchiveError(f"member {name!r} of its zip archive is encrypted")
        packed = self._packed(member)
        if member.compress_type == zipfile.ZIP_STORED:
            content = packed
        elif member.compress_type == zipfile.ZIP_DEFLATED:
            content = memoryview(_inflate(packed, member.file_size))
        else:
            raise ArchiveError(f"member {name!r} of its zip archive is compressed in an unknown way")
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise ArchiveError(f"member {name!r} of its zip archive is damaged: its checksum or its size is wrong")
        return content

    def _packed(self, member: zipfile.ZipInfo) -> memoryview:
        """The bytes of a member as they are in the file: behind a header of its own, whose two last fields are the
        lengths of a name and of padding.
        """
        start = member.header_offset
        header = self._content[start : start + _LOCAL_HEADER.size]
        if start < 0 or len(header) < _LOCAL_HEADER.size or bytes(header[:4]) != b"PK\x03\x04":
            raise ArchiveError(f"member {member.filename!r} of its zip archive is not where it should be")
        name, padding = _LOCAL_HEADER.unpack(header)[-2:]
        start += _LOCAL_HEADER.size + name + padding
        packed = self._content[start : start + member.compress_size]
        if len(packed) != member.compress_size:
            raise ArchiveError(f"member {member.filename!r} of its zip archive is cut off")
        return packed


def _inflate(packed: memoryview, size: int) -> bytes:
    """What deflated bytes stand for, which must be ``size`` of them; one more is enough to know that they are not."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
    except zlib.error as error:
        raise ArchiveError(f"its zip archive is damaged ({error})") from error
