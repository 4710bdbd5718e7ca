"""How deep JSON from elsewhere may be nested.

Parsers of JSON are recursive and raise RecursionError where the interpreter says so: after about 1,000 levels
on Python 3.11, less the depth of the call, and after some 10,000 on 3.13. With a bound of our own, which is
far below, the same document is accepted or refused on every Python.
"""

import json
from itertools import accumulate

MAX_NESTING = 100  # objects and lists inside each other; k6's options need fewer than 20

# Both kinds of brackets become the same one: whether they match is a question for the parser.
BRACKETS = bytes.maketrans(b"{}", b"[]")
NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
BETWEEN = ord("[") + 1  # subtracting a bracket from it gives 1 for an opening one and -1 for a closing one


def is_too_deep(body: bytes) -> bool:
    """Whether JSON in UTF-8 has more than MOST_NESTING objects and lists inside each other.

    For what is no JSON the answer means nothing, but is the same on every Python. No step but the last is
    done for each byte in Python: 10 MB take some 15 ms, 60 ms if many strings contain brackets and escapes.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = body.translate(BRACKETS, NOT_STRUCTURE).replace(b'""', b"")
    # What stands between two quotation marks is text; the marks of most strings are gone by now.
    if b'"' in marks:
        marks = b"".join(marks.split(b'"')[::2])
    # Most objects and lists contain no other, so that few brackets are left without the innermost ones.
    outer = marks.replace(b"[]", b"")
    return max(accumulate(outer, lambda depth, mark: depth + BETWEEN - mark, initial=0)) >= MAX_NESTING


def parse_json(body: bytes) -> object:
    """What JSON in UTF-8 says. Raises ValueError if it is none, or is nested too deeply."""
    if is_too_deep(body):
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    # As text, since bytes could be in UTF-16 as well, whose nesting would not be seen.
    parsed: object = json.loads(body.decode("utf-8-sig"))
    return parsed
