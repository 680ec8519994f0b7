"""Key files that are made at the first start: whole or not there, and one for all processes."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def make_once(path: Path, make: Callable[[], bytes]) -> Path:
    """The file, for its owner alone; what `make` gives is written where there is none yet.

    It is written beside and linked into place: a process that is killed leaves no half key, and of
    several at once one key stays.
    """
    if path.exists():
        return path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails when another process was faster: then its key is the key
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path
