"""Asks the independent checkers: veraPDF for PDF/A and PDF/UA, poppler for the seal."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from portal.config import ROOT


def _tool(name: str, default: Path | str) -> str:
    found = shutil.which(os.environ.get(name, str(default)))
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{default} is missing: install it, or name it with {name}.")
        pytest.skip(f"{default} is not installed")
    return found


QUICK_JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""For a run of seconds: two fifths of the processor's time is the compiler's, else."""


def verapdf(files: Mapping[str, bytes], folder: Path) -> None:
    """Fail unless every file is PDF/A-3a and PDF/UA-1; all are checked in one run of Java."""
    checker = _tool("VERAPDF", ROOT.parent / "shared/tools/verapdf/verapdf")
    paths = []
    for name, data in files.items():
        paths.append(folder / f"{name}.pdf")
        paths[-1].write_bytes(data)
    done = subprocess.run(
        [checker, "3a,ua1", *map(str, paths)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "JAVA_TOOL_OPTIONS": QUICK_JAVA},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == 2 * len(paths)


def pdfsig(pdf: bytes, folder: Path) -> str:
    """What poppler says of the seal."""
    path = folder / "sealed.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        [_tool("PDFSIG", "pdfsig"), "-nocert", str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout


def text_of(pdf: bytes, folder: Path) -> str:
    """The text of the pages, as poppler reads it."""
    path = folder / "text.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        [_tool("PDFTOTEXT", "pdftotext"), "-layout", str(path), "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def qpdf(*words: str | Path) -> None:
    """Run qpdf with these words; its warnings do not matter."""
    done = subprocess.run(
        [_tool("QPDF", "qpdf"), *map(str, words)], check=False, capture_output=True, text=True
    )
    assert done.returncode in {0, 3}, done.stderr


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run openssl with these words."""
    return subprocess.run(
        [_tool("OPENSSL", "openssl"), *map(str, words)], check=False, capture_output=True, text=True
    )
