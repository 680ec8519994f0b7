"""Names as people type them, and receipt numbers (pure)."""

import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 O, 1 I L, U: read aloud without mistakes
_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)


def same_name(typed: str, held: str) -> bool:
    """Whether two spellings mean one name, without case, accents, hyphens and spacing."""
    return bool(_letters(held)) and _letters(typed) == _letters(held)


def _letters(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    return "".join(char for char in folded if char.isalnum())


def receipt_number(prefix: str, year: int) -> str:
    """A number that cannot be guessed from another, such as MH-2026-7K4M-XW93-R2."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(10))
    return f"{prefix}-{year}-{code[:4]}-{code[4:8]}-{code[8:]}"


def tidy_number(typed: str) -> str:
    """A receipt number as a person may have typed it, in the form that we keep."""
    return "-".join(typed.upper().replace("–", "-").replace(" ", "-").split("-"))
