import pytest
from sqlalchemy import func, select

from portal import db
from portal.errors import NotFound, Refused
from portal.mail import services
from portal.mail.models import Mail
from portal.people.models import Person
from portal.people.services import identify
from tests.factories import make_hr, make_person
from tests.mail.test_delivery import WORDS


def queue(key="one", address="a@city.example", **words):
    return services.queue_mail(
        "deputy", to=None, address=address, key=key, language="en", **{**WORDS, **words}
    )


def test_one_cause_queues_one_mail(each_app):
    assert queue() is True
    assert queue() is False

    assert db.session.scalar(select(func.count()).select_from(Mail)) == 1


def test_a_second_mail_of_one_cause_does_not_break_the_callers_transaction(each_app):
    with db.transaction():
        queue("one")
        queue("one")
        queue("two")

    assert db.session.scalar(select(func.count()).select_from(Mail)) == 2


@pytest.mark.parametrize(
    "address",
    [
        "",
        "n/a",
        "ada@",
        "ada@[city",
        "ada@city..example",
        "ada(work)@city.example",
        "a@b.example, c@d.example",
        "a@b.example\nBcc: all@city.example",
        "a@b.example\n",
        "a b@c.example",
        "<a@b.c>",
        "a" * 320 + "@b.example",
    ],
)
def test_what_is_no_address_is_refused(app, address):
    with pytest.raises(ValueError, match="no mail address"):
        queue(address=address)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("ada.o’neill+x@city.example", True), ("ü@ä.example", True), ("n/a", False), ("a@b\n", False)],
)
def test_python_and_the_database_agree_on_what_an_address_is(each_app, text, fits):
    make_person(email=text)

    assert services.is_address(text) is fits
    found = db.session.scalars(select(services.has_address(Person.email))).all()
    assert found == [fits]


def test_a_name_with_line_breaks_cannot_add_a_header(app):
    queue(manager="Morgan\r\nBcc: all@city.example")

    subject = db.session.scalars(select(Mail.subject)).one()
    assert subject == "You stand in for Morgan Bcc: all@city.example"


def test_a_mail_costs_one_statement(app, count_statements):
    queue("first")
    with count_statements() as seen:
        queue("second")

    assert len(seen) == 1


def test_a_refused_mail_can_be_queued_anew_and_the_log_says_who_did(app):
    queue()
    mail = db.session.scalars(select(Mail)).one()
    mail.refused_at, mail.tries = db.utc_now(), 3
    db.session.flush()

    services.try_again(mail, by=identify(make_hr()).id)

    assert (mail.state, mail.tries) == ("queued", 0)


def test_a_mail_that_was_not_refused_is_not_queued_anew(app):
    queue()
    mail = db.session.scalars(select(Mail)).one()

    with pytest.raises(Refused, match="was not refused"):
        services.try_again(mail, by=identify(make_hr()).id)


def test_a_mail_that_is_not_there_is_not_found(app):
    with pytest.raises(NotFound):
        services.get_mail(make_hr().id)


def test_hr_reads_what_became_of_each_mail(app, sign_in):
    queue("1", "sent@city.example")
    queue("2", "gone@city.example")
    by_address = {mail.address: mail for mail in db.session.scalars(select(Mail))}
    by_address["sent@city.example"].sent_at = db.utc_now()
    by_address["gone@city.example"].refused_at = db.utc_now()
    by_address["gone@city.example"].server_said = "550 No such person"
    browser = sign_in(make_hr())

    page = browser.get("/mail/").text
    refused = browser.get("/mail/?state=refused&search=GONE").text
    nothing = browser.get("/mail/?search=nobody").text

    assert "550 No such person" in page
    assert "sent@city.example" in page
    assert "sent@city.example" not in refused
    assert "No mail fits." in nothing


def test_hr_tries_a_refused_mail_again_from_its_page(app, sign_in):
    queue()
    mail = db.session.scalars(select(Mail)).one()
    mail.refused_at = db.utc_now()
    browser = sign_in(make_hr())

    page = browser.post(f"/mail/{mail.id}/again", follow_redirects=True).text

    assert "Waiting" in page
    assert "Try again" not in page
