"""Readings of a real OpenLDAP that goes wrong: what looks wrong changes nothing at all."""

from dataclasses import replace

import pytest
from ldap3 import MODIFY_REPLACE
from sqlalchemy import func, select

from portal import db
from portal.directory import syncing
from portal.people import ldap_line, services
from portal.people.demo_people import CONTRACTORS, PASSWORD, PEOPLE, Member
from portal.people.door import make_door
from portal.people.limits import SignInRefused
from portal.people.models import Person, PersonChange, RoleGrant, Session
from tests import servers
from tests.people.proxy import Proxy

pytestmark = pytest.mark.server

MANY = 1200


def crowd(count):
    """So many employees, and a few contractors among the first."""
    return [
        Member(
            f"p{number}",
            "Person",
            f"Number{number}",
            "Clerk",
            "Finance",
            kind="contractor" if number < 4 else "employee",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def whole():
    """OpenLDAP with 1,200 people."""
    with servers.slapd(crowd(MANY)) as server:
        yield server


@pytest.fixture
def read(app):
    """Reads a directory with these settings into the app's database."""

    def sync(server, **changed):
        roles = {"role_groups": (), "custodian_group": ""}
        ldap = replace(server.settings, **{**roles, **changed})
        door = make_door(replace(app.extensions["settings"], ldap=ldap))
        db.finish(keep=True)
        found = syncing.run_now(door)
        db.session.expire_all()
        return found, door

    return sync


def everything():
    """All that a reading may write."""
    with db.reading() as session:
        return [
            sorted(map(repr, session.execute(select(model.__table__))))
            for model in (Person, PersonChange, Session, RoleGrant)
        ]


@pytest.fixture
def refuses(read, whole):
    """That a reading of another directory, after a good one, stops and changes nothing."""

    def check(server, **changed):
        found, _door = read(whole)
        assert found.stopped_because == ""
        with db.transaction():
            services.open_session(db.session.scalars(select(Person).limit(1)).one())
        before = everything()
        for _ in range(2):  # who is absent twice would have left
            found, _door = read(server, **changed)
            assert found.stopped_because
            assert everything() == before
        return found.stopped_because

    return check


def test_a_whole_directory_is_read_twice_without_a_change(read, whole):
    first, _door = read(whole)
    before = everything()
    second, _door = read(whole)

    assert first.counts == {"joined": MANY}
    assert (second.people, second.counts, second.stopped_because) == (MANY, {}, "")
    after = everything()
    assert after[1:] == before[1:]


def test_a_servers_cap_of_500_is_no_answer(refuses):
    with servers.slapd(crowd(MANY), size_limit="500") as capped:
        assert "sizeLimitExceeded" in refuses(capped)


def test_a_servers_cap_that_comes_after_the_first_page_is_no_answer(refuses):
    with servers.slapd(crowd(MANY), size_limit="500") as capped:
        assert "sizeLimitExceeded" in refuses(capped, page_size=200)


def test_a_capped_first_reading_brings_nobody(read):
    with servers.slapd(crowd(MANY), size_limit="500") as capped:
        found, _door = read(capped)

    assert (found.people, everything()) == (0, [[], [], [], []])


def test_a_base_that_is_not_there_is_no_answer(refuses, whole):
    bases = (PEOPLE, CONTRACTORS, "ou=typo,dc=portal,dc=demo")

    assert "noSuchObject" in refuses(whole, user_bases=bases)


def test_an_answer_that_is_cut_at_page_three_is_no_answer(read, whole, monkeypatch):
    read(whole)
    before, heard = everything(), []
    entry_of = ldap_line.entry_of

    def hear(row, *how):
        heard.append(row)
        if len(heard) == 2 * 200:
            proxy.mode = "cut"
        return entry_of(row, *how)

    monkeypatch.setattr(ldap_line, "entry_of", hear)
    for _ in range(2):
        heard.clear()
        with Proxy(whole.port) as proxy:
            url = f"ldaps://localhost:{proxy.port}"
            assert url in read(whole, urls=(url,), page_size=200)[0].stopped_because
        assert len(heard) == 2 * 200
        assert everything() == before


def test_an_ou_that_gives_nobody_stops_the_reading(refuses):
    """Few are in it: their number alone would be believed."""
    employees = [each for each in crowd(MANY) if each.kind == "employee"]
    with servers.slapd(employees) as server:
        assert refuses(server) == f"The directory gave nobody below {CONTRACTORS}."


def test_when_six_per_cent_are_missing_nobody_is(refuses):
    with servers.slapd(crowd(MANY - MANY * 6 // 100)) as server:
        assert "72 people would have left or are missing" in refuses(server)


def test_when_five_per_cent_are_missing_it_is_believed(read, whole):
    read(whole)
    with servers.slapd(crowd(MANY - MANY * 5 // 100)) as server:
        assert read(server)[0].counts == {"absent": 60}
        assert read(server)[0].counts == {"left": 60}
    left = select(func.count(Person.id)).where(Person.left_on.is_not(None))
    assert db.session.scalar(left) == 60
    assert read(whole)[0].counts == {"returned": 60}


def test_a_server_that_is_gone_changes_nothing(refuses, whole):
    url = f"ldaps://localhost:{servers.free_port()}"

    assert url in refuses(whole, urls=(url,))


def enter(door, username):
    return services.sign_in(door, username, PASSWORD, address="198.51.100.7")


def test_an_entry_that_is_renamed_and_moved_stays_the_same_person(read):
    with servers.slapd(crowd(9)) as server:
        _found, door = read(server)
        before = enter(door, "p5")
        with server.as_root() as root:
            root.modify_dn(
                "uid=p5,ou=people,dc=portal,dc=demo", "uid=p5.king", new_superior=CONTRACTORS
            )
            moved = f"uid=p5.king,{CONTRACTORS}"
            changes = {"cn": "Person King", "sn": "King", "employeeType": "contractor"}
            root.modify(moved, {name: [(MODIFY_REPLACE, [new])] for name, new in changes.items()})
        found, door = read(server)
        after = enter(door, "p5.king")
        with pytest.raises(SignInRefused):
            enter(door, "p5")

    assert found.counts == {"moved": 1}
    assert (after.id, after.full_name, after.kind) == (before.id, "Person King", "contractor")
    assert services.find_session(door, before.token).full_name == "Person King"
    assert db.session.scalar(select(func.count(Person.id))) == 9


TWINS = """
dn: uid=twin,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Twin One
sn: One
mail: twins@city.example
userPassword: portal-demo

dn: uid=twin,ou=contractors,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Twin Two
sn: Two
userPassword: portal-demo

dn: uid=other,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Another One
sn: One
mail: twins@city.example
userPassword: portal-demo
"""


def test_two_entries_on_one_login_or_one_mail_are_two_people_and_nobody_guesses_which(read):
    with servers.slapd(crowd(4), more=TWINS) as server:
        found, door = read(server)
        for name in ("twin", "twins@city.example"):
            with pytest.raises(SignInRefused, match="The name or password is wrong"):
                enter(door, name)
        other = enter(door, "other")
        again, _door = read(server)

    assert found.counts == {"joined": 7}
    assert again.counts == {}
    names = db.session.scalars(select(Person.full_name).filter_by(username="twin"))
    assert sorted(names) == ["Twin One", "Twin Two"]
    mails = select(func.count(Person.id)).filter_by(email="twins@city.example")
    assert db.session.scalar(mails) == 2
    assert other.full_name == "Another One"
