import pytest

from portal.courses import markdown


def test_what_is_no_plain_text_never_reaches_a_page() -> None:
    html = markdown.render(
        "<script>alert(1)</script>\n\n[a](javascript:alert(1)) <b onclick='x'>b</b> ![c](d.png)"
    )

    assert "<script" not in html
    assert "<img" not in html
    assert "<b " not in html
    assert 'href="javascript' not in html


def test_a_table_says_which_cells_are_its_heads() -> None:
    html = markdown.render("| A | B |\n| --- | ---: |\n| 1 | 2 |")

    assert '<th scope="col">A</th>' in html
    assert "style" not in html


def test_addresses_of_mail_and_telephone_are_links() -> None:
    html = markdown.render("[HR](mailto:hr@example.org) or [call](tel:+14035550100)")

    assert 'href="mailto:hr@example.org"' in html
    assert 'href="tel:+14035550100"' in html


def test_headings_that_say_the_same_get_different_anchors() -> None:
    prose = markdown.read("## Why\n\na\n\n## Why\n\nb\n\n## Main")

    assert [anchor for anchor, _ in prose.headings] == ["why", "why-2", "main-2"]


def test_a_page_of_the_site_has_a_title_and_a_text() -> None:
    assert markdown.page('---\nsubtitle: x\ntitle: "Help"\n---\nCall **us**.') == (
        "Help",
        "<p>Call <strong>us</strong>.</p>",
    )


def test_a_page_of_the_site_without_a_title_is_refused() -> None:
    with pytest.raises(ValueError, match="no title"):
        markdown.page("---\nsubtitle: x\n---\nCall us.")
