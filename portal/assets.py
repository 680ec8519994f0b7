"""Addresses of the built files under static/, and the stylesheet of a city's own colours.

`assets/build.mjs` writes the files and the manifest; nothing here needs Node.
"""

import json
import re
from functools import cache

from portal.config import ROOT

STATIC = ROOT / "static"
_FINGERPRINTED = re.compile(r"-[0-9a-f]{12}\.\w+$")
_BLACK, _DARK_PAPER, _WHITE = "#000000", "#11191d", "#ffffff"
_TEXT_CONTRAST = 4.5  # WCAG 1.4.3


@cache
def _manifest() -> dict[str, str]:
    manifest: dict[str, str] = json.loads((STATIC / "manifest.json").read_bytes())
    return manifest


def url(name: str) -> str:
    """The address of a built file, with its fingerprint. Raises KeyError for an unknown name."""
    return f"/static/{_manifest()[name]}"


def is_fingerprinted(_path: str, url: str) -> bool:
    """Whether a browser may keep this address for ever: its name holds a hash of its bytes."""
    return _FINGERPRINTED.search(url) is not None


@cache
def theme_css(brand: str, accent: str) -> str:
    """A stylesheet that dresses the portal in two colours, given as `#rrggbb`.

    The accent only decorates. The brand colour is used as it is for the header, and made darker or
    lighter for buttons and bars until it contrasts with what is on or behind it.
    """
    ink = _WHITE if _contrast(brand, _WHITE) >= _TEXT_CONTRAST else _BLACK
    action = _until_it_contrasts(brand, _WHITE, towards=_BLACK)
    light = _until_it_contrasts(brand, _DARK_PAPER, towards=_WHITE)
    return (
        f":root{{--brand:{brand};--brand-ink:{ink};--accent:{accent};--action:{action};"
        f"--action-hover:{_mix(action, _BLACK, 0.2)};"
        f"--action-edge:{_mix(action, _BLACK, 0.45)};"
        f"--bar:{action};--govuk-brand-colour:{action}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{--bar:{light};--govuk-brand-colour:{light}}}}}\n"
    )


def _until_it_contrasts(colour: str, paper: str, *, towards: str) -> str:
    """The first of ten mixtures towards black or white that can be read on this paper."""
    mixtures = (_mix(colour, towards, step / 10) for step in range(10))
    return next((it for it in mixtures if _contrast(it, paper) >= _TEXT_CONTRAST), towards)


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
