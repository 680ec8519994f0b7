import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.keyfiles import make_once


def test_a_key_is_made_once_and_is_for_its_owner_alone(tmp_path):
    path = make_once(tmp_path / "keys" / "key", lambda: b"first")

    assert make_once(path, lambda: b"second").read_bytes() == b"first"
    assert path.stat().st_mode & 0o077 == 0


def test_a_process_that_is_killed_while_it_writes_leaves_no_half_key(tmp_path):
    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once(tmp_path / "key", killed)

    assert not (tmp_path / "key").exists()
    assert make_once(tmp_path / "key", lambda: b"whole").read_bytes() == b"whole"


def test_of_several_at_once_one_key_stays(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(
            pool.map(
                lambda _: make_once(tmp_path / "key", lambda: os.urandom(8)).read_bytes(), range(32)
            )
        )

    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
