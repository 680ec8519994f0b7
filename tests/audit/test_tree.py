"""Against the vectors that Certificate Transparency publishes (RFC 6962, reference tests)."""

from random import Random

import pytest

from portal.audit import tree

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_root_is_that_of_the_published_vectors(size):
    assert tree.root(HASHES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_log_has_the_root_of_nothing():
    assert tree.root([]).hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_an_edge_holds_no_more_hashes_than_the_size_has_bits():
    edge: tree.Edge = []
    for size in range(1000):
        edge = tree.append(edge, size, tree.leaf_hash(str(size).encode()))
        assert len(edge) == (size + 1).bit_count()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
def test_every_entry_is_proven_to_be_in_the_log(size):
    leaves = [tree.leaf_hash(str(number).encode()) for number in range(size)]
    root = tree.root(leaves)

    for position, leaf in enumerate(leaves):
        proof = tree.Prover(leaves).prove(position)
        assert tree.is_included(leaf, position, size, proof, root)


def test_a_proof_fits_no_other_entry_position_size_or_root():
    leaves = [tree.leaf_hash(str(number).encode()) for number in range(13)]
    root = tree.root(leaves)
    proof = tree.Prover(leaves).prove(5)
    chance = Random(1)

    assert not tree.is_included(leaves[6], 5, 13, proof, root)
    assert not tree.is_included(leaves[5], 4, 13, proof, root)
    assert not tree.is_included(leaves[5], 5, 13, proof, chance.randbytes(32))
    assert not tree.is_included(leaves[5], 5, 13, proof[:-1], root)
    assert not tree.is_included(leaves[5], 5, 13, [*proof, root], root)
    assert not tree.is_included(leaves[5], 13, 13, proof, root)
