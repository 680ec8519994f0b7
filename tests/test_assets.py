"""The built files: small enough, unchanged by a rebuild, and readable in any city's colours."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import brotli
import pytest

from portal import assets
from portal.config import ROOT, Settings

STATIC = ROOT / "static"
SOURCES = ROOT / "assets"
KB = 1024
BUILT = re.compile(r".+-[0-9a-f]{12}\.\w+(\.gz|\.br)?")


def built_files(folder: Path) -> dict[str, bytes]:
    """Name and content of every built file, unpacked where it is compressed."""
    unpack = {".gz": gzip.decompress, ".br": brotli.decompress}
    return {
        path.name: unpack.get(path.suffix, bytes)(path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


def packed_size(name: str) -> int:
    return (STATIC / f"{Path(assets.url(name)).name}.gz").stat().st_size


def plain_size(name: str) -> int:
    return (STATIC / Path(assets.url(name)).name).stat().st_size


@pytest.fixture(scope="session")
def rebuilt(tmp_path_factory):
    """The files as `npm ci` and the build script make them from nothing."""
    if shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("npm is missing: install nodejs and npm.")
        pytest.skip("npm is missing")
    here = tmp_path_factory.mktemp("assets")
    shutil.copytree(
        SOURCES, here, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules")
    )
    for command in (
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        ["node", "build.mjs", "built"],
    ):
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return here


def test_a_rebuild_gives_the_same_names_and_the_same_bytes(rebuilt):
    committed = {
        name: content
        for name, content in built_files(STATIC).items()
        if BUILT.fullmatch(name) or name in {"manifest.json", "LICENSES.txt"}
    }

    assert built_files(rebuilt / "built") == committed


def test_the_checker_of_accessibility_is_the_pinned_one(rebuilt):
    published = rebuilt / "node_modules/axe-core/axe.min.js"

    assert (ROOT / "tests/axe.min.js").read_bytes() == published.read_bytes()


def test_nothing_built_is_left_over_from_before():
    in_force = set(json.loads((STATIC / "manifest.json").read_text()).values())

    built = {name.removesuffix(".gz").removesuffix(".br") for name in built_files(STATIC)}

    assert built - {"manifest.json", "LICENSES.txt"} == in_force


def test_packed_files_hold_the_same_as_the_plain_ones():
    files = built_files(STATIC)

    packed = [name for name in files if name.endswith((".gz", ".br"))]

    assert packed
    assert all(files[name] == files[name[:-3]] for name in packed)


def test_the_stylesheet_stays_within_16_kilobytes():
    assert packed_size("portal.css") <= 16 * KB


def test_the_script_stays_within_8_kilobytes():
    assert packed_size("portal.js") <= 8 * KB


def test_the_preloaded_font_stays_within_30_kilobytes():
    assert plain_size("source-sans-3-latin.woff2") <= 30 * KB


def test_a_cold_page_of_8_kilobytes_stays_within_80():
    parts = (
        packed_size("portal.css")
        + packed_size("portal.js")
        + packed_size("icon.svg")
        + plain_size("source-sans-3-latin.woff2")
    )

    assert parts + 8 * KB <= 80 * KB


def test_the_stylesheet_and_the_script_load_nothing_from_elsewhere():
    css = (STATIC / Path(assets.url("portal.css")).name).read_text()
    script = (STATIC / Path(assets.url("portal.js")).name).read_text()

    addresses = set(re.findall(r"url\(([^)]*)\)", css))

    assert addresses <= set(json.loads((STATIC / "manifest.json").read_text()).values())
    assert "@import" not in css
    assert "http" not in script


def test_only_fingerprinted_files_may_be_kept_for_ever():
    assert assets.is_fingerprinted("", assets.url("portal.css"))
    assert assets.is_fingerprinted("", assets.url("source-sans-3-latin.woff2"))
    assert not assets.is_fingerprinted("", "/static/manifest.json")
    assert not assets.is_fingerprinted("", "/static/fonts-pdf/SourceSans3-Regular.ttf")


def test_an_unknown_file_has_no_address():
    with pytest.raises(KeyError):
        assets.url("portal.png")


def test_the_frame_knows_the_default_colours():
    frame = (ROOT / "templates/frame/head.html").read_text()
    css = (STATIC / Path(assets.url("portal.css")).name).read_text()
    settings = Settings()

    for colour in (settings.brand_colour, settings.accent_colour):
        assert f'"{colour}"' in frame
        assert colour in css


@pytest.mark.parametrize(
    "brand", ["#0f4c5c", "#ffcc00", "#ffffff", "#000000", "#7a7a7a", "#e60000"]
)
def test_every_brand_colour_can_be_read(brand):
    css = assets.theme_css(brand, "#123456")

    light, dark = css.split("@media")
    light_words = dict(re.findall(r"(--[\w-]+):(#[0-9a-f]{6})", light))
    dark_words = dict(re.findall(r"(--[\w-]+):(#[0-9a-f]{6})", dark))
    assert light_words["--accent"] == "#123456"
    assert contrast(light_words["--brand"], light_words["--brand-ink"]) >= 4.5
    assert contrast(light_words["--action"], "#ffffff") >= 4.5
    assert contrast(light_words["--action-hover"], "#ffffff") >= 4.5
    assert contrast(light_words["--bar"], "#ffffff") >= 4.5
    assert contrast(dark_words["--bar"], "#11191d") >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG's ratio, worked out anew."""

    def luminance(colour: str) -> float:
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return sum(v * w for v, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    a, b = luminance(one), luminance(other)
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def test_fonts_for_documents_lie_beside_their_licences():
    folder = STATIC / "fonts-pdf"
    fonts = {path.name for path in folder.glob("*.ttf")}

    licences = {path.name for path in folder.glob("LICENSE-*.txt")}

    assert {"SourceSans3-Regular.ttf", "SourceSans3-SemiBold.ttf"} <= fonts
    assert licences == {
        "LICENSE-DroidSansFallback.txt",
        "LICENSE-Nanum.txt",
        "LICENSE-Noto.txt",
        "LICENSE-SourceSans3.txt",
    }
