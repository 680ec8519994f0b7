import pytest

from portal.attestations import naming


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        ("Łukasz Nguyễn-O’Neill", "Łukasz Nguyễn-O’Neill"),
        ("lukasz nguyen oneill", "Łukasz Nguyễn-O’Neill"),
        ("  LUKASZ   NGUYEN-O'NEILL ", "Łukasz Nguyễn-O’Neill"),
        ("Olafur Aegisson", "Ólafur Ægisson"),
        ("王 小明", "王小明"),
        ("Nguye\u0302\u0303n", "Nguyễn"),
    ],
)
def test_a_name_may_be_typed_without_case_accents_hyphens_and_spacing(typed, held):
    assert naming.same_name(typed, held)


@pytest.mark.parametrize(
    ("typed", "held"), [("Avery", "Avery Chen"), ("", "Avery Chen"), ("---", "Avery"), ("", "")]
)
def test_another_name_is_not_the_same(typed, held):
    assert not naming.same_name(typed, held)


def test_receipt_numbers_name_the_year_and_do_not_repeat():
    numbers = {naming.receipt_number("MH", 2026) for _ in range(2000)}

    assert len(numbers) == 2000
    assert all(number.startswith("MH-2026-") for number in numbers)
    assert not any(char in number[8:] for number in numbers for char in "01ILOU")


@pytest.mark.parametrize(
    "typed", ["mh-2026-7k4m-xw93-r2", "MH 2026 7K4M XW93 R2", "MH–2026–7K4M–XW93–R2"]
)
def test_a_number_is_found_however_it_is_typed(typed):
    assert naming.tidy_number(typed) == "MH-2026-7K4M-XW93-R2"
