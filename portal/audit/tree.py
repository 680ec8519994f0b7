"""The Merkle tree of the log (RFC 6962, section 2.1). Pure: bytes in, bytes out."""

from collections.abc import Sequence
from hashlib import sha256

Edge = list[bytes]
"""Roots of the complete subtrees along the right edge, largest first: enough to append."""

EMPTY = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def append(edge: Edge, size: int, leaf: bytes) -> Edge:
    """The edge of a log of `size` entries after one more leaf hash; O(log size)."""
    grown = [*edge, leaf]
    while size & 1:
        right = grown.pop()
        grown.append(node_hash(grown.pop(), right))
        size >>= 1
    return grown


def edge_root(edge: Edge) -> bytes:
    """The root that an edge stands for."""
    if not edge:
        return EMPTY
    *rest, root = edge
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    edge: Edge = []
    for size, leaf in enumerate(leaves):
        edge = append(edge, size, leaf)
    return edge_root(edge)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """All levels, leaves first; a node without a neighbour is carried up unchanged."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


class Prover:
    """Many inclusion proofs over one log: its levels are computed once."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = _levels(leaves)

    def prove(self, position: int) -> list[bytes]:
        """The path from one leaf to the root. The position must be in the log."""
        path = []
        for level in self._levels[:-1]:
            neighbour = position ^ 1
            if neighbour < len(level):
                path.append(level[neighbour])
            position >>= 1
        return path


def is_included(
    leaf: bytes, position: int, size: int, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Whether the proof leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= position < size:
        return False
    node, last = position, size - 1
    result = leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(step, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, step)
        node >>= 1
        last >>= 1
    return last == 0 and result == root_hash
