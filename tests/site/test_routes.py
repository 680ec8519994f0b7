import pytest
from sqlalchemy import text

from portal import db, jobs
from portal.site import health
from tests.factories import make_person


def test_home_leads_to_the_tasks(client):
    assert client.get("/").location == "/learning/"


@pytest.mark.parametrize("name", ["help", "privacy", "accessibility"])
def test_the_pages_of_the_footer_are_open_to_everyone(client, name):
    page = client.get(f"/{name}")

    assert page.status_code == 200
    assert "– Staff attestations</title>" in page.text


def test_an_unknown_page_says_so_and_leads_on(client):
    page = client.get("/no/such/page")

    assert page.status_code == 404
    assert "Page not found" in page.text


def test_the_process_says_that_it_lives(client):
    assert client.get("/healthz").json == {"alive": True}


def test_readiness_names_what_is_missing_on_loopback_alone(client):
    near = client.get("/readyz")
    far = client.get("/readyz", environ_base={"REMOTE_ADDR": "203.0.113.9"})
    behind = client.get("/readyz", headers={"X-Forwarded-For": "203.0.113.9"})

    assert near.status_code == far.status_code == 503
    assert near.json["directory"] is near.json["worker"] is False
    assert near.json["database"] is near.json["seal"] is True
    assert far.json == behind.json == {"ready": False}


def test_the_portal_is_ready_when_everything_answers(app, client, monkeypatch):
    monkeypatch.setattr(health, "current_door", _Door)
    with db.transaction() as session:
        session.add(jobs.WorkerBeat(worker="w"))

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json["ready"]) == (200, True)


def test_work_that_was_given_up_is_counted_on_loopback_and_takes_no_node_away(
    app, client, monkeypatch
):
    monkeypatch.setattr(health, "current_door", _Door)
    now = db.utc_now()
    with db.transaction() as session:
        session.add(jobs.WorkerBeat(worker="w"))
        session.add(jobs.Claim(job="remind", item="2026-12-01", free_at=now, parked_at=now))

    near = client.get("/readyz")
    far = client.get("/readyz", environ_base={"REMOTE_ADDR": "203.0.113.9"})

    assert (near.status_code, near.json["given_up"]) == (200, 1)
    assert far.json == {"ready": True}


class _Door:
    class directory:
        @staticmethod
        def find(_entry_id):
            return None


def test_a_foreign_host_name_is_refused(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_database_that_is_busy_gives_a_page_and_not_a_fault(app, sign_in):
    browser = sign_in(make_person())
    with app.extensions["databases"].writing.connect() as other:
        other.execute(text("DELETE FROM worker_beats"))

        page = browser.post("/people/stay")

    assert page.status_code == 503
    assert "Try again in a moment" in page.text


def test_what_is_built_may_be_kept_for_ever_and_comes_compressed(client):
    from portal import assets

    file = client.get(assets.url("portal.css"), headers={"Accept-Encoding": "br"})

    assert "immutable" in file.headers["Cache-Control"]
    assert file.headers["Content-Encoding"] == "br"


def test_the_organizations_colours_are_settings(client):
    page = client.get("/site/theme.css")

    assert page.mimetype == "text/css"
    assert "#0f4c5c" in page.text
