"""The main job, in a real browser without JavaScript, through a real directory."""

import csv
import io
import re
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.journeys.walking import Walker


def test_avery_fails_a_quiz_retakes_signs_and_harper_downloads_the_same_bytes(
    portal_server, new_page, tmp_path
):
    avery = Walker(new_page("phone"), portal_server.url, "annual-attestation")
    avery.sign_in("avery.chen")
    expect(avery.heading).to_have_text("Your tasks")
    expect(avery.page).to_have_title(re.compile("^Your tasks – "))
    avery.begin()

    avery.walk(until="Not enough right answers yet", wrong=True)
    expect(avery.page.get_by_text("You got 0 of 5 right")).to_be_visible()
    avery.walk()
    number = avery.sign("avery chen")
    receipt = avery.download_receipt()

    assert receipt.startswith(b"%PDF-")
    avery.page.get_by_role("link", name="Back to your tasks").click()
    expect(avery.page.get_by_role("heading", name="Done")).to_be_visible()

    harper = Walker(new_page("desktop"), portal_server.url, "annual-attestation")
    harper.sign_in("harper.singh")
    harper.page.get_by_role("link", name="Who has signed").first.click()
    expect(harper.heading).to_have_text("Who has signed")
    harper.page.get_by_label("Name", exact=True).fill("chen, avery")
    harper.page.get_by_role("button", name="Apply filters").click()
    harper.page.get_by_role("link", name="Chen, Avery").click()
    with harper.page.expect_download() as record:
        harper.page.get_by_role("link", name="Download record (PDF)").first.click()
    assert Path(record.value.path()).read_bytes() == receipt
    harper.page.go_back()
    with harper.page.expect_download() as archive:
        harper.page.get_by_role("link", name="Download signed records (ZIP)").click()
    with zipfile.ZipFile(archive.value.path()) as records:
        manifest = list(
            csv.DictReader(io.StringIO(records.read("manifest.csv").decode("utf-8-sig")))
        )
        digests = {sha256(records.read(name)).hexdigest() for name in records.namelist()}
    assert sha256(receipt).hexdigest() in digests
    assert number in {value for row in manifest for value in row.values()}


def test_casey_answers_the_scope_questions_and_onboards(portal_server, new_page):
    casey = Walker(new_page("phone"), portal_server.url, "contractor-onboarding")
    casey.sign_in("casey.novak")
    casey.begin()

    casey.walk()
    expect(casey.page.get_by_text("The whole course is for you").first).to_be_visible()
    number = casey.sign("Casey Novak")

    assert number.startswith("MH-")


def test_a_person_goes_on_at_the_exact_step_after_signing_out_and_on_another_device(
    portal_server, new_page
):
    sam = Walker(new_page("phone"), portal_server.url, "annual-attestation")
    sam.sign_in("sam.whitehorse")
    sam.begin()
    for _ in range(9):
        sam.one_step()
    while "/result" in sam.page.url:  # after a scenario: it is done
        sam.one_step()
    here = sam.page.url
    sam.sign_out()

    at_the_desk = Walker(new_page("desktop"), portal_server.url, "annual-attestation")
    at_the_desk.sign_in("sam.whitehorse")
    at_the_desk.begin()

    assert at_the_desk.page.url == here


def test_a_page_opens_again_after_a_time_out_and_sign_in(portal_server, new_page):
    morgan = Walker(new_page("desktop"), portal_server.url, "annual-attestation")
    morgan.sign_in("morgan.dubois")
    morgan.begin()
    here = morgan.page.url
    morgan.page.context.clear_cookies()
    morgan.page.reload()
    expect(morgan.heading).to_have_text("Sign in")

    morgan.page.get_by_label("Username or work email").fill("morgan.dubois")
    morgan.page.get_by_label("Password", exact=True).fill("portal-demo")
    morgan.page.get_by_role("button", name="Sign in").click()

    assert morgan.page.url == here


@pytest.mark.parametrize(
    ("username", "words"),
    [
        ("riley.okafor", "password must be changed"),
        ("drew.former", "can’t sign in"),
        ("nobody.here", "name or password is wrong"),
    ],
)
def test_who_cannot_sign_in_is_told_why_and_what_to_do(portal_server, new_page, username, words):
    someone = Walker(new_page("phone"), portal_server.url, "annual-attestation")

    someone.sign_in(username)

    summary = someone.page.get_by_role("alert")
    expect(summary).to_contain_text("There is a problem")
    assert words.replace("’", "'") in summary.inner_text().replace("’", "'")
    expect(someone.page.get_by_label("Username or work email")).to_have_value(username)


def test_tampered_copies_are_told_apart(portal_server, new_page, tmp_path):
    lukasz = Walker(new_page("desktop"), portal_server.url, "annual-attestation")
    lukasz.sign_in("lukasz.nguyen")
    lukasz.begin()
    lukasz.walk()
    number = lukasz.sign("lukasz nguyen oneill")
    receipt = lukasz.download_receipt()
    flipped = bytearray(receipt)
    flipped[len(receipt) // 2] ^= 1
    copies = {
        "genuine": (receipt, "This is our record, unchanged"),
        "flipped": (bytes(flipped), "This is our record, but it was changed"),
        "longer": (receipt + b"\n% more", "This is our record, but it was changed"),
        "stranger": (_other_pdf(), "This is not one of our records"),
    }
    anyone = new_page("phone")

    for name, (data, words) in copies.items():
        copy = tmp_path / f"{name}.pdf"
        copy.write_bytes(data)
        anyone.goto(f"{portal_server.url}/verify")
        anyone.get_by_label("The PDF to check").set_input_files(copy)
        anyone.get_by_role("button", name="Check the file").click()
        expect(anyone.get_by_role("main")).to_contain_text(words)
    anyone.goto(f"{portal_server.url}/verify/{number}")
    expect(anyone.get_by_role("heading", level=1)).to_have_text("This record exists")
    assert "Nguyễn" not in anyone.content()


def _other_pdf() -> bytes:
    from weasyprint import HTML

    return HTML(string="<p>Somebody else’s paper").write_pdf()
