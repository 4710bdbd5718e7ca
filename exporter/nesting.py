"""A limit for the nesting of received JSON.

JSON parsers are recursive, and raise RecursionError at a depth that depends on the interpreter: about 1,000
levels on Python 3.11, minus the depth of the call, and about 10,000 on 3.13. A limit of our own, far below
both, accepts or rejects the same document on every Python.
"""

import json
import re
from collections.abc import Iterator
from itertools import accumulate

MAX_NESTING = 100  # levels of objects and lists; k6's options need fewer than 20
PART = 2**18  # bytes that are scanned at once, in about a millisecond
BACKSLASHES = re.compile(rb"\\+")

# Braces are treated as brackets: the parser checks whether they match.
BRACKETS = bytes.maketrans(b"{}", b"[]")
NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# BETWEEN minus a bracket is 1 for "[" and -1 for "]".
BETWEEN = ord("[") + 1


def is_too_deep(body: bytes) -> bool:
    """Whether JSON in UTF-8 has more than MAX_NESTING levels of objects and lists.

    The result for anything else than JSON is meaningless, but the same on every Python. Only the last step
    visits single bytes in Python, so 10 MB take about 15 ms, or 60 ms if many strings contain brackets and
    escapes. In a thread, it lets others run after each part.
    """
    depth, opening, is_in_string = 0, b"", False
    for part in split_body(body):
        # Escaped quotation marks do not end a string.
        unescaped = part.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in part else part
        structure = unescaped.translate(BRACKETS, NOT_STRUCTURE)
        # Brackets within strings are text. A part may begin within a string.
        pieces = (b'"' * is_in_string + structure).replace(b'""', b"").split(b'"')
        is_in_string = len(pieces) % 2 == 0
        outer = opening + b"".join(pieces[::2])
        # Those at the end may be closed by the next part.
        opening = outer[len(outer.rstrip(b"[")) :]
        # Most objects and lists contain no others. Without these, few brackets are left to count.
        counted = outer[: len(outer) - len(opening)].replace(b"[]", b"")
        depths = list(accumulate(counted, lambda depth, bracket: depth + BETWEEN - bracket, initial=depth))
        depth = depths[-1]
        if max(depths) >= MAX_NESTING or depth + len(opening) > MAX_NESTING:
            return True
    return depth + len(opening) >= MAX_NESTING


def split_body(body: bytes) -> Iterator[bytes]:
    """Parts of a body, none of which ends within an escape sequence."""
    start = 0
    while start < len(body):
        end = start + PART
        # A backslash at the end may escape the next byte, or be escaped itself.
        backslashes = BACKSLASHES.match(body, end - 1)
        if backslashes:
            end = backslashes.end() + 1
        yield body[start:end]
        start = end


def parse_json(body: bytes) -> object:
    """The value of JSON in UTF-8. Raises ValueError if it is invalid or nested too deeply."""
    if is_too_deep(body):
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    # json.loads would accept bytes in UTF-16 too, in which is_too_deep finds no brackets.
    parsed: object = json.loads(body.decode("utf-8-sig"))
    return parsed
