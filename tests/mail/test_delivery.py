import logging
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.mail import delivery, services
from portal.mail.delivery import MAIL
from portal.mail.models import Mail
from tests import servers

WORDS = {
    "full_name": "Łukasz Nguyễn-O’Neill",
    "manager": "Morgan Dubois",
    "until": date(2027, 1, 30),
    "link": "http://127.0.0.1:8000/team/",
}


def queue(address="lukasz@city.example", key="one", **more):
    with db.transaction():
        queued = services.queue_mail(
            "deputy", to=None, address=address, key=key, language="en", **{**WORDS, **more}
        )
    return queued


def work(times=1):
    for _ in range(times):
        jobs.run_once(MAIL)
    db.session.expire_all()


def only():
    with db.reading() as session:
        return session.scalars(select(Mail)).one()


@pytest.fixture
def served(app, mailbox):
    """Settings that lead to the mail server."""

    def lead(server=mailbox, **changes):
        settings = replace(
            app.extensions["settings"],
            smtp_host="localhost",
            smtp_port=server.port,
            smtp_ca_file=server.ca_file,
            **changes,
        )
        app.extensions["settings"] = settings
        return server

    yield lead
    delivery._hang_up()


@pytest.fixture
def later(clock):
    """Goes on in time, so that what waits is tried again."""

    def go(**by):
        clock(db.utc_now() + timedelta(**by))

    return go


def test_a_mail_is_sent_over_verified_tls_and_kept_as_sent(served):
    mailbox = served()
    queue()

    work()

    letter = mailbox.letters[0]
    assert letter["To"] == "lukasz@city.example"
    assert letter["Subject"] == "You stand in for Morgan Dubois"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "Łukasz Nguyễn-O’Neill" in letter.get_body(("plain",)).get_content()
    assert "Łukasz Nguyễn-O’Neill" in letter.get_body(("html",)).get_content()
    assert only().state == "sent"


def test_a_mail_is_sent_once_however_often_the_worker_looks(served):
    mailbox = served()
    queue()

    work(times=3)

    assert len(mailbox.letters) == 1


def test_several_mails_share_one_connection(served):
    mailbox = served()
    for number in range(5):
        queue(key=str(number))

    work()

    assert len(mailbox.letters) == 5
    assert mailbox.connections == 2  # EHLO before and after STARTTLS


def test_what_is_rolled_back_is_not_sent(served):
    mailbox = served()
    services.queue_mail(
        "deputy", to=None, address="a@city.example", key="x", language="en", **WORDS
    )
    db.finish(keep=False)

    work()

    assert mailbox.letters == []


def test_a_server_without_tls_gets_no_mail(app, served):
    with servers.smtp(tls=False) as plain:
        served(plain)
        queue()

        work()

        assert plain.letters == []
        assert only().state == "retrying"
        assert "STARTTLS" in only().server_said


def test_a_certificate_of_a_stranger_gets_no_mail(served):
    mailbox = served()
    mailbox.ca_file = ""
    served(mailbox)
    queue()

    work()

    assert mailbox.letters == []
    assert "CERTIFICATE_VERIFY_FAILED" in only().server_said


def test_a_recipient_whom_the_server_does_not_know_is_refused_in_its_words(served, later):
    mailbox = served()
    mailbox.recipient_says["gone@city.example"] = "550 5.1.1 No such person"
    queue("gone@city.example")

    work()
    later(hours=2)
    work()

    assert only().state == "refused"
    assert only().server_said == "550 5.1.1 No such person"
    assert only().tries == 1


def test_a_server_that_is_busy_is_asked_again_and_sends_once(served, later):
    mailbox = served()
    mailbox.data_says = ["451 4.3.0 Try later"]
    queue()
    work()
    assert (only().state, only().server_said) == ("retrying", "451 4.3.0 Try later")

    work()
    assert mailbox.letters == []
    later(minutes=5)
    work(times=2)

    assert len(mailbox.letters) == 1
    assert only().state == "sent"


def test_after_a_refusal_the_next_mail_goes_out_on_the_same_connection(served):
    mailbox = served()
    mailbox.recipient_says["gone@city.example"] = "550 No"
    queue("gone@city.example", key="1")
    queue("here@city.example", key="2")

    work()

    assert [letter["To"] for letter in mailbox.letters] == ["here@city.example"]


def test_a_server_that_is_away_loses_nothing(app, served, later):
    mailbox = served()
    away = replace(app.extensions["settings"], smtp_port=servers.free_port())
    app.extensions["settings"] = away
    queue()
    work()
    assert only().state == "retrying"

    served(mailbox)
    later(hours=1)
    work()

    assert only().state == "sent"


def test_after_two_days_a_mail_is_given_up_with_the_last_words(app, served, later):
    mailbox = served()
    mailbox.data_says = ["451 Full"] * 3
    queue()
    work()

    later(hours=49)
    work()

    assert only().state == "refused"
    assert only().server_said == "451 Full"


def test_a_server_that_hangs_up_before_it_answers_gets_the_same_message_id_again(served, later):
    mailbox = served()
    mailbox.drops_after_data = 1
    queue()
    work()
    assert only().state == "retrying"

    later(minutes=5)
    work()

    assert only().state == "sent"
    ids = {letter["Message-ID"] for letter in mailbox.letters}
    assert (len(mailbox.letters), len(ids)) == (2, 1)


def test_no_transaction_is_open_while_a_slow_server_takes_its_time(served):
    mailbox = served()
    mailbox.waits = 0.3
    queue()
    real, seen = delivery._send, []

    def watched(mail, settings):
        with db.transaction():  # SQLite has one write lock: this would wait for ever
            seen.append("free")
        return real(mail, settings)

    delivery._send = watched
    try:
        work()
    finally:
        delivery._send = real

    assert seen == ["free"]
    assert only().state == "sent"


def test_a_due_date_goes_along_as_a_calendar_file(served):
    mailbox = served()
    event = {
        "uid": "1",
        "title": "Annual attestation",
        "due_on": "2027-01-30",
        "link": "http://127.0.0.1:8000/learning/1/",
    }
    queue(event=event)

    work()

    calendar = next(iter(mailbox.letters[0].iter_attachments()))
    assert calendar.get_content_type() == "text/calendar"
    assert "DTSTART;VALUE=DATE:20270130" in calendar.get_content()


def test_words_of_people_cannot_become_markup_or_links_elsewhere(served):
    mailbox = served()
    queue(full_name='<b>Bold</b> "&" http://evil.example/x')

    work()

    page = mailbox.letters[0].get_body(("html",)).get_content()
    assert "&lt;b&gt;Bold" in page
    assert 'href="http://evil' not in page
    assert '<a href="http://127.0.0.1:8000/team/">' in page


def test_the_password_of_the_server_is_in_no_log(app, served, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "password"
    secret.write_text("a-secret-word")
    served(smtp_user="portal", smtp_password_file=str(secret))
    queue()

    work()  # this server knows no AUTH

    assert only().state == "retrying"
    assert "a-secret-word" not in caplog.text + only().server_said


def test_the_demonstration_keeps_its_mail_in_a_folder(app):
    queue()

    work()

    files = list((app.extensions["settings"].data_dir / "mail").glob("*.eml"))
    letter = message_from_bytes(files[0].read_bytes(), policy=default)
    assert letter["To"] == "lukasz@city.example"
    assert only().state == "sent"


def test_production_without_a_server_keeps_mail_waiting(app):
    app.extensions["settings"] = replace(app.extensions["settings"], env="production")
    queue()

    work()

    assert only().state == "queued"
