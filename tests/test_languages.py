"""Nothing that people read is left out of the catalogue."""

import ast
import re
from collections import defaultdict
from dataclasses import replace

import pytest
from sqlalchemy import String, select

from portal import db
from portal.contractors import bulk
from portal.people.demo_people import CAST
from portal.people.models import Person
from portal.reports import lists
from tests.conftest import ROOT
from tests.languages import STRIPPED, pseudo, untranslated, write_catalogue
from tests.test_access import address, city

__all__ = ["city"]
MODULES = [path for path in sorted((ROOT / "portal").rglob("*.py")) if "versions" not in path.parts]
SPEAK = {
    "Refused",
    "SignInRefused",
    "ValidationError",
    "flash",
    "refusal_page",
    "DataRequired",
    "InputRequired",
    "NumberRange",
    "SelectChoice",
    "StringField",
    "TextAreaField",
    "SelectField",
    "BooleanField",
    "PasswordField",
    "DayField",
    "NumberField",
}
LEFT_OUT = {"people.sign_out", "people.sso_again"}


@pytest.fixture
def settings(settings, tmp_path):
    write_catalogue(tmp_path / "translations", "fr", pseudo())
    return replace(settings, languages=("en", "fr"), translations_dir=tmp_path / "translations")


PATTERNS = (
    r'^{"action":.*}$',  # an entry as the log holds it
    r"\d{1,2} \w+ \d{4}(, \d\d h \d\d \w+)?",  # a day or a moment, as French writes it
    r"\b[0-9a-f]{8}-?[0-9a-f-]{8,}\b",  # ids and digests
    r"\b[A-Z2-7]{32}\b",  # the secret of a second step
    r"\bhttps?://\S+",
    r"\b\S+\.(csv|xlsx|zip|pdf)\b",
    r"SHA-256|\b(CSV|PDF|ZIP)\b",
    r"ldaps://\S+ (DNS|TCP)|\[Errno.*",  # the directory's check quotes what a server says
    r"N'est pas un choix valide",  # WTForms has a catalogue of its own
)
"""What every language writes in the same way."""

TEXT_ENDS = re.compile(r"\\\n|\n(?=\s*[#>*-])|\n\n|^[\s-]*\w+:|[#*\[\]()]|:\s", re.MULTILINE)
"""What parts one text of a Markdown or YAML file from the next."""


def what_is_data():
    """Words that are no interface: what tables, settings and the City's own texts hold."""
    found = {*bulk.COLUMNS, *lists.KINDS, "français", "anglais", "octets", "Questions:"}
    for member in CAST:
        found |= {member.username, member.plays}
    for table in db.Base.metadata.sorted_tables:
        columns = [each for each in table.columns if isinstance(each.type, String)]
        for row in db.session.execute(select(*columns)) if columns else ():
            found |= {line for each in row if each for line in str(each).splitlines()}
    for name in db.session.scalars(select(Person.full_name)):
        given, _space, family = name.rpartition(" ")
        found |= {f"{family}, {given}"}
    for name in ("tests/content", "content/site", "content"):
        for path in (ROOT / name).rglob("*.*"):
            if name != "content" or path.name == "course.yaml":
                found |= set(re.split(TEXT_ENDS, path.read_text()))
    settings = db.settings()
    found |= {settings.organization, settings.name}
    plain = {" ".join(each.split()).strip(STRIPPED) for each in found}
    return sorted((each for each in plain if len(each) > 1), key=len, reverse=True)


def plain_words(html, data):
    """What a page in pseudo-language says in plain words that are no data."""
    for each in untranslated(html):
        rest = each
        for pattern in PATTERNS:
            rest = re.sub(pattern, "", rest)
        for value in data:
            if value in rest and (len(value) > 3 or value == rest):
                rest = rest.replace(value, "")
        if re.search(r"[A-Za-z]{2}", rest):
            yield each


def test_every_word_of_the_pages_can_be_translated(app, city, sign_in):
    people, values = city
    found = defaultdict(set)
    db.finish(keep=True)
    data = what_is_data()
    db.finish(keep=True)
    for method in ("GET", "POST"):
        for role in ("hr", "manager", "owner", "author", "admin", "sponsor", "guest", None):
            browser = sign_in(people[role]) if role else app.test_client()
            browser.environ_base["HTTP_ACCEPT_LANGUAGE"] = "fr"
            for rule in app.url_map.iter_rules():
                if method in rule.methods and rule.endpoint not in LEFT_OUT:
                    answer = browser.open(address(rule, values), method=method)
                    if answer.mimetype == "text/html" and "<main" in answer.text:
                        assert 'lang="fr"' in answer.text
                        for each in plain_words(answer.text, data):
                            found[each].add((rule.endpoint, answer.status_code))
    assert not found, "\n".join(f"{words}: {sorted(found[words])[:3]}" for words in sorted(found))


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "templates/mail").rglob("*.txt"), *(ROOT / "templates/documents").glob("*.html")],
    ids=lambda path: str(path.relative_to(ROOT / "templates")),
)
def test_every_word_of_mails_and_documents_can_be_translated(path):
    words = re.sub(
        r"{#.*?#}|{{.*?}}|{%.*?%}|<.*?>|&\w+;|SHA-256", "", path.read_text(), flags=re.DOTALL
    )

    assert not re.search(r"[^\W\d_]{2}", words), words.strip()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_form_or_a_refusal_says_can_be_translated(path):
    """Commands speak English; so does what only they refuse."""
    said = [
        ast.unparse(call)
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", getattr(call.func, "attr", "")) in SPEAK
        for words in call.args
        if isinstance(words, ast.JoinedStr)
        or (isinstance(words, ast.Constant) and " " in str(words.value))
    ]

    assert not [each for each in said if "Publish the course" not in each]
