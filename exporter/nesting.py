"""A limit for the nesting of received JSON.

JSON parsers are recursive, and raise RecursionError at a depth that depends on the interpreter: about 1,000
levels on Python 3.11, minus the depth of the call, and about 10,000 on 3.13. A limit of our own, far below
both, accepts or rejects the same document on every Python.
"""

import json
from itertools import accumulate

MAX_NESTING = 100  # levels of objects and lists; k6's options need fewer than 20

# Braces are treated as brackets: the parser checks whether they match.
BRACKETS = bytes.maketrans(b"{}", b"[]")
NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# BETWEEN minus a bracket is 1 for "[" and -1 for "]".
BETWEEN = ord("[") + 1


def is_too_deep(body: bytes) -> bool:
    """Whether JSON in UTF-8 has more than MAX_NESTING levels of objects and lists.

    The result for anything else than JSON is meaningless, but the same on every Python. Only the last step
    visits single bytes in Python, so 10 MB take about 15 ms, or 60 ms if many strings contain brackets and
    escapes.
    """
    # Escaped quotation marks do not end a string.
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = body.translate(BRACKETS, NOT_STRUCTURE).replace(b'""', b"")
    # Brackets within strings are text. Most strings have none and were removed together with their quotes.
    if b'"' in structure:
        structure = b"".join(structure.split(b'"')[::2])
    # Most objects and lists contain no others. Without these innermost ones, few brackets are left to count.
    outer = structure.replace(b"[]", b"")
    depths = accumulate(outer, lambda depth, bracket: depth + BETWEEN - bracket, initial=0)
    return max(depths) >= MAX_NESTING


def parse_json(body: bytes) -> object:
    """The value of JSON in UTF-8. Raises ValueError if it is invalid or nested too deeply."""
    if is_too_deep(body):
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    # json.loads would accept bytes in UTF-16 too, in which is_too_deep finds no brackets.
    parsed: object = json.loads(body.decode("utf-8-sig"))
    return parsed
