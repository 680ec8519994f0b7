"""French beside English, with a small catalogue and a small course."""

import re
import shutil
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import sealing
from portal.attestations.models import Evidence
from portal.campaigns import giving
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.models import Assignment, Campaign, Kind
from portal.config import Misconfigured, Settings
from portal.courses import services as courses
from portal.mail.models import Mail
from portal.people.services import identify
from portal.reminders import services as reminders
from portal.reports import making
from portal.reports.queries import Filters
from tests.conftest import ROOT
from tests.documents.conformance import text_of
from tests.factories import make_assignment, make_attestation, make_hr, make_person, publish
from tests.languages import write_catalogue

DUE = date(2026, 12, 15)
FRENCH = {
    "Your tasks": "Vos tâches",
    "Sign out": "Fermer la session",
    (
        "You have %(num)s thing to do.",
        "You have %(num)s things to do. This one is due first.",
    ): (
        "Vous avez %(num)s chose à faire.",
        "Vous avez %(num)s choses à faire. Celle-ci vient en premier.",
    ),
    "Due %(day)s.": "À rendre le %(day)s.",
    "Hello %(name)s,": "Bonjour %(name)s,",
    "Please sign by %(day)s: %(title)s": "À signer d’ici le %(day)s : %(title)s",
    "The name or password is wrong.": "Le nom ou le mot de passe est inexact.",
    "Page not found": "Page introuvable",
    "This page cannot be opened by its address": "Cette page ne s’ouvre pas par son adresse",
    "Receipt number": "Numéro de reçu",
    "typed name, tick and directory password": "nom tapé, case cochée et mot de passe",
    "Username": "Nom d’utilisateur",
}
TITLES = {"en": "Small course", "fr": "Petit cours"}
REMIND = {"before": [14], "after_every": 7, "at_most": 4, "escalate_after": 10}


@pytest.fixture
def settings(settings, tmp_path):
    write_catalogue(tmp_path / "translations", "fr", FRENCH)
    content = tmp_path / "content"
    shutil.copytree(ROOT / "content/site", content / "site")
    (content / "site/fr").mkdir()
    (content / "site/fr/help.md").write_text("---\ntitle: Aide\n---\n\nAppelez les RH.\n")
    shutil.copytree(ROOT / "tests/content/small-course", content / "petit-cours")
    course = content / "petit-cours/course.yaml"
    text = course.read_text().replace("language: en", "language: fr")
    course.write_text(text.replace(TITLES["en"], TITLES["fr"]))
    page = next(content.glob("petit-cours/start/*-welcome.md"))
    page.write_text(page.read_text() + "\nBienvenue à la Ville.\n")
    return replace(
        settings,
        content_dir=content,
        languages=("en", "fr"),
        translations_dir=tmp_path / "translations",
    )


@pytest.fixture
def ada(app):
    """Her directory says nothing of a language."""
    return make_person("Ada Lovelace", email="ada@city.example")


@pytest.fixture
def marie(app):
    return make_person("Marie Tremblay", email="marie@city.example", language="fr")


@pytest.fixture
def campaigns(app, settings, ada, marie):
    """The same campaign twice: in French for who wants that, in English for all others."""
    french = {Fact.LANGUAGE: ("fr",)}
    made = {}
    for language, version, rule in (
        ("fr", courses.publish(settings.content_dir, "petit-cours"), Part(french)),
        ("en", publish(), Part({Fact.KIND: ("employee",)}, french)),
    ):
        made[language] = Campaign(
            key=language,
            title=TITLES[language],
            kind=Kind.ANNUAL,
            course_version_id=version.id,
            audience=Audience((rule,)).to_json(),
            opens_on=DUE - timedelta(days=30),
            due_on=DUE,
            launched_at=db.utc_now(),
            reminders=REMIND,
        )
        db.session.add(made[language])
        db.session.flush()
        assert giving.give(made[language]) == 1
    return made


def test_who_has_french_in_the_directory_reads_french_and_others_english(
    app, sign_in, campaigns, ada, marie
):
    pages = {person: sign_in(person).get("/learning/").text for person in (ada, marie)}

    assert '<html lang="fr"' in pages[marie]
    assert "Vos tâches" in pages[marie]
    assert "Vous avez 1 chose à faire." in pages[marie]
    assert "À rendre le 15 décembre 2026." in pages[marie]
    assert "Petit cours" in pages[marie]
    assert "Appelez les RH." in pages[marie]
    assert "Skip to main content" in pages[marie]  # not translated yet
    assert '<html lang="en"' in pages[ada]
    assert "You have 1 thing to do." in pages[ada]
    assert "Due December 15, 2026." in pages[ada]
    assert "Call the IT service desk" in pages[ada]


def test_a_page_of_the_city_without_french_is_shown_in_english(app, client):
    answer = client.get("/privacy", headers={"Accept-Language": "fr-CA, en;q=0.5"})

    assert answer.status_code == 200
    assert '<html lang="fr"' in answer.text
    assert '<div lang="en">' in answer.text


def test_before_the_sign_in_and_without_a_language_in_the_directory_the_browser_says_it(
    app, client, sign_in, ada, marie
):
    browser = sign_in(ada)
    french = {"Accept-Language": "fr-CA, fr;q=0.9, en;q=0.5"}
    german = {"Accept-Language": "de, *;q=0.1"}

    assert "Page introuvable" in client.get("/nowhere", headers=french).text
    assert "Page not found" in client.get("/nowhere", headers=german).text
    assert "Vos tâches" in browser.get("/learning/", headers=french).text
    assert "Vos tâches" in sign_in(marie).get("/learning/", headers=german).text


def test_a_fault_of_the_browser_is_told_in_our_words(app, client):
    answer = client.delete("/people/sign-in", headers={"Accept-Language": "fr"})

    assert answer.status_code == 405
    assert "Cette page ne s’ouvre pas par son adresse" in answer.text
    assert "method" not in answer.text.partition("<main")[2].partition("</main")[0].lower()


def test_a_course_says_its_language_where_the_page_speaks_another(app, sign_in, campaigns, marie):
    version = campaigns["fr"].course_version_id
    duty = make_assignment(person=marie, campaign=campaigns["fr"])
    step = f"/learning/{duty.id}/start/welcome"

    french = sign_in(marie).get(step).text
    marie.language = "en"
    english = sign_in(marie).get(step).text

    assert courses.get_course(version).language == "fr"
    assert "Bienvenue à la Ville." in french
    assert 'class="prose">' in french
    assert 'class="prose" lang="fr">' in english


def test_mail_speaks_the_language_of_who_gets_it(app, campaigns, clock):
    german = make_person("Jan Maier", email="jan@city.example", language="de")
    giving.give(campaigns["en"])
    db.finish(keep=True)

    reminders.remind(DUE - timedelta(days=14))

    mails = {mail.address: mail for mail in db.session.scalars(select(Mail))}
    assert mails["marie@city.example"].subject == "À signer d’ici le 15 décembre 2026 : Petit cours"
    assert "Bonjour Marie Tremblay," in mails["marie@city.example"].text
    assert mails["marie@city.example"].language == "fr"
    for address in ("ada@city.example", german.email):
        assert mails[address].subject == "Please sign by December 15, 2026: Small course"


def test_the_record_is_in_the_language_of_the_text_that_was_signed(app, campaigns, marie, tmp_path):
    attestation = make_attestation(person=marie, campaign=campaigns["fr"])
    db.finish(keep=True)

    sealing.do(str(attestation.id))

    pdf = db.session.scalars(select(Evidence.pdf)).one()
    assert re.search(rb"/Lang ?\(fr\)", pdf)
    text = " ".join(text_of(pdf, tmp_path).split())
    assert f"Numéro de reçu {attestation.number}" in text
    assert "15 décembre 2026" in text
    assert "nom tapé, case cochée et mot de passe" in text


def test_a_file_that_the_worker_makes_has_heads_in_the_readers_language(app, campaigns):
    hr = make_hr()
    hr.language = "fr"
    db.session.flush()
    made = making.request_export("people-csv", campaigns["fr"].id, Filters(), by=identify(hr))
    db.finish(keep=True)

    making.EXPORT.do(str(made.id))

    assert "Nom d’utilisateur" in making.path_of(made).read_text("utf-8-sig").splitlines()[0]


def test_hr_asks_for_a_language_only_where_there_is_more_than_one(app, sign_in, campaigns):
    hr = sign_in(make_hr())
    page = hr.get(f"/campaigns/{campaigns['fr'].id}/audience").text
    shown = hr.get(f"/campaigns/{campaigns['fr'].id}").text

    assert ">French<" in page
    assert "Everyone whose language is French." in shown
    assert db.session.scalars(select(Assignment.person_id)).all()


@pytest.mark.parametrize("languages", ["", "english", "en;fr-CA"])
def test_languages_are_two_letters_each(tmp_path, languages):
    with pytest.raises(Misconfigured, match="PORTAL_LANGUAGES"):
        Settings.from_env({"PORTAL_LANGUAGES": languages, "PORTAL_DATA_DIR": str(tmp_path)})
