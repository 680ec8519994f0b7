"""The rules of the house, checked."""

import ast
import re
from pathlib import Path

import pytest

from portal.app import SLICES
from tests.conftest import ROOT

PORTAL = ROOT / "portal"
MODULES = sorted(PORTAL.rglob("*.py"))
LONGEST = 400
DRAWERS = {"utils", "helpers", "common", "misc", "managers"}


@pytest.mark.parametrize("slice_name", SLICES)
def test_a_slice_has_a_folder_of_its_name_in_portal_templates_and_tests(slice_name):
    for place in (PORTAL, ROOT / "templates", ROOT / "tests"):
        assert (place / slice_name).is_dir(), place


def test_every_page_template_has_a_view_of_its_name(app):
    views = {tuple(endpoint.split(".")) for endpoint in app.view_functions}
    for path in (ROOT / "templates").glob("*/*.html"):
        folder = path.parent.name
        if folder in SLICES and not path.name.startswith("_"):
            assert (folder, path.stem) in views, path


def test_there_is_no_drawer_for_odds_and_ends():
    assert not {path.stem for path in MODULES} & DRAWERS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PORTAL)))
def test_a_module_is_read_in_one_sitting(path: Path):
    if "versions" not in path.parts:
        assert len(path.read_text().splitlines()) <= LONGEST


def test_services_never_read_who_is_signed_in():
    for path in MODULES:
        if path.name not in {"routes.py", "web.py", "app.py", "door.py"}:
            names = {
                node.id
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Name)
            }
            assert "current_user" not in names, path


def test_templates_bring_no_script_or_style_of_their_own():
    for path in (ROOT / "templates").rglob("*.html"):
        if path.parent.name == "documents":
            continue
        text = path.read_text()
        assert not re.search(r"\son\w+=|<style|\sstyle=|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path


def test_versions_are_pinned_with_hashes_and_name_no_registry():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        pins = re.findall(r"^[A-Za-z0-9_.\-\[\]]+==", text, re.MULTILINE)
        assert len(pins) > 20
        assert text.count("--hash=sha256:") >= len(pins)
        assert "index-url" not in text
        assert "://" not in text
