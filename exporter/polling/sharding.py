"""Which process polls a test, where several processes share the tests."""

from dataclasses import dataclass
from hashlib import blake2b

MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `total` processes, counted from 0."""

    index: int = 0
    total: int = 1

    def contains(self, test_id: int) -> bool:
        """Whether a test belongs to this shard."""
        return self.total == 1 or shard_of(test_id, self.total) == self.index


ALONE = Shard()


def shard_of(test_id: int, total: int) -> int:
    """The shard of a test, which never changes for the same `total`.

    With one shard more, one test in `total` moves to the new shard; the others stay where they are.
    Jump consistent hash, https://arxiv.org/abs/1406.2294.
    """
    # Hashed, because ids follow each other. hash() of a string differs between processes.
    key = int.from_bytes(blake2b(str(test_id).encode(), digest_size=8).digest())
    shard, jump = 0, 0
    while jump < total:
        shard = jump
        # The constants are those of the paper; others would move tests to other shards.
        key = (key * 2862933555777941757 + 1) & MASK
        jump = ((shard + 1) << 31) // ((key >> 33) + 1)
    return shard
