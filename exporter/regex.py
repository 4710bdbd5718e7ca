"""Regular expressions of users, in the syntax of RE2, as in Prometheus.

RE2 takes time linear in the length of the text. Python's `re` can take hours for one name, and would block
the event loop meanwhile: no scrape, no signal. https://github.com/google/re2/wiki/Syntax
"""

import re

import re2

# Bytes of one compiled expression. With RE2's default of 8 MiB, some take ten seconds to compile.
MAX_MEMORY = 1024 * 1024

# What to write instead of what RE2 lacks, by the part of the expression that its error repeats.
UNSUPPORTED = {
    r"\(\?[=!]": "lookahead {} is not supported; combine include and exclude instead",
    r"\(\?<[=!]": "lookbehind {} is not supported; combine include and exclude instead",
    r"\(\?P|\\[1-9gk]": "the back-reference {} is not supported",
    r"\\Z": r"{} is not supported; write \z",
    r"\\[uUN]": r"{} is not supported; write \x{{e9}} for U+00E9",
}


class Regex:
    """A compiled expression that matches anywhere in a text.

    The constructor raises ValueError, whose message is the reason as a part of a sentence.
    """

    __slots__ = ("_compiled", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        options = re2.Options()
        options.max_mem = MAX_MEMORY
        options.log_errors = False  # otherwise RE2 itself writes to standard error
        try:
            self._compiled = re2.compile(encode(pattern), options)
        except re2.error as error:
            raise ValueError(explain(error.args[0].decode(errors="replace"))) from error

    def matches(self, text: str) -> bool:
        """Whether the expression matches anywhere in the text."""
        return self._compiled.search(encode(text)) is not None


def encode(text: str) -> bytes:
    """The text in UTF-8; half of a surrogate pair, which JSON and YAML can contain, is written as \\ud800."""
    return text.encode(errors="backslashreplace")


def explain(error: str) -> str:
    """The reason in an error of RE2, such as `invalid perl operator: (?=`."""
    reason, _, part = error.partition(": ")
    if reason.startswith("pattern too large"):
        return "it is too large"
    if reason in ("invalid perl operator", "invalid escape sequence", "bad repetition operator"):
        sentences = (sentence for start, sentence in UNSUPPORTED.items() if re.match(start, part))
        return next(sentences, "{} is not supported").format(part)
    # The error of an unbalanced parenthesis or bracket repeats what the user has just read.
    return f"{reason}: {part}" if part and not re.search(r"[()[\]]$", reason) else reason
