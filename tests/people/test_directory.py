"""What the portal asks of a directory, against OpenLDAP and against the demonstration's own."""

import unicodedata
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from portal.people import demo_people
from portal.people.demo_directory import DemoServer
from portal.people.demo_people import CAST, PASSWORD, Member
from portal.people.directory import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    AccountClosed,
    Misbehaving,
    MustChangePassword,
    WrongCredentials,
)
from portal.people.ldap import LdapDirectory
from tests import servers

ACTIVE = [member for member in CAST if member.state == "active"]
BY_NAME = {member.username: member for member in demo_people.everybody()}
HOSTILE = [
    "½",
    "*",
    "avery*",
    "(uid=*)",
    ")(uid=*",
    "*)(objectClass=*",
    "avery.chen)(|(uid=*",
    "avery.chen,ou=people",
    'avery"chen',
    "O’Neill; DROP TABLE people",
    "\\2a",
    "\\",
    "&",
    "e\u0301" * 20,
    "🙂",
    "\u202eavery.chen",
    "\x01",
    "a" * LONGEST_NAME,
    "#", " = ", "+", "<>",
]  # fmt: skip


@pytest.mark.parametrize("member", ACTIVE, ids=lambda member: member.username)
def test_each_of_the_cast_signs_in_as_themselves(directory, member):
    entry = directory.authenticate(member.username, PASSWORD)

    assert (entry.id, entry.dn, entry.username) == (member.id, member.dn, member.username)
    assert (entry.full_name, entry.family_name) == (member.full_name, member.family)
    assert (entry.department, entry.job_title) == (member.department, member.title)
    assert (entry.email, entry.kind) == (member.mail, member.kind)
    assert (entry.started_on, entry.ends_on) == (member.started_on, member.ends_on)
    assert entry.groups == frozenset(member.groups)
    assert not entry.is_closed


@pytest.mark.parametrize(
    ("username", "password", "outcome", "reason"),
    [
        ("avery.chen", "wrong", WrongCredentials, "password"),
        ("nobody.here", PASSWORD, WrongCredentials, "no-entry"),
        ("avery.chen", "", WrongCredentials, "blank"),
        ("  ", PASSWORD, WrongCredentials, "blank"),
        ("riley.okafor", PASSWORD, MustChangePassword, "must-change"),
        ("riley.okafor", "wrong", WrongCredentials, "password"),
        ("drew.former", PASSWORD, AccountClosed, "disabled"),
        ("avery.chen", "x\0", WrongCredentials, "nul"),
        ("avery.chen\0", PASSWORD, WrongCredentials, "nul"),
        ("a" * (LONGEST_NAME + 1), PASSWORD, WrongCredentials, "too-long"),
        ("avery.chen", "x" * (LONGEST_PASSWORD + 1), WrongCredentials, "too-long"),
    ],
)
def test_every_account_state_has_its_outcome(directory, username, password, outcome, reason):
    with pytest.raises(outcome, match=f"^{reason}$"):
        directory.authenticate(username, password)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_finds_nobody(directory, text):
    with pytest.raises(WrongCredentials):
        directory.authenticate(text, PASSWORD)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_password_is_a_wrong_one(directory, text):
    with pytest.raises(WrongCredentials, match=r"^password$"):
        directory.authenticate("avery.chen", text)


def test_the_longest_password_is_still_asked_for(directory):
    with pytest.raises(WrongCredentials, match=r"^password$"):
        directory.authenticate("avery.chen", "ß" * LONGEST_PASSWORD)


def test_spaces_and_capitals_around_a_name_do_not_matter(directory):
    assert directory.authenticate(" Avery.CHEN ", PASSWORD).username == "avery.chen"


def test_the_work_email_signs_in_too(directory):
    mail = BY_NAME["avery.chen"].mail

    assert directory.authenticate(mail, PASSWORD).username == "avery.chen"


def test_a_contractor_has_a_sponsor_and_an_end(directory):
    entry = directory.authenticate("casey.novak", PASSWORD)

    assert (entry.kind, entry.sponsor) == ("contractor", "Avery Chen")
    assert (entry.started_on, entry.ends_on) == (date(2026, 11, 16), date(2027, 10, 29))


@pytest.mark.parametrize(
    ("username", "is_manager"),
    [("morgan.dubois", True), ("oksana.melnyk", True), ("avery.chen", False)],
)
def test_who_has_employees_is_a_manager_and_a_sponsor_is_none(directory, username, is_manager):
    found = {entry.username: entry.is_manager for entry in directory.everyone()}

    assert found[username] is is_manager


def test_confirming_asks_for_the_password_of_the_id(directory):
    avery = BY_NAME["avery.chen"]

    directory.confirm(avery.id, PASSWORD)
    with pytest.raises(WrongCredentials, match=r"^password$"):
        directory.confirm(avery.id, "wrong")
    with pytest.raises(WrongCredentials, match=r"^gone$"):
        directory.confirm("00000000-0000-0000-0000-000000000000", PASSWORD)
    with pytest.raises(WrongCredentials, match=r"^blank$"):
        directory.confirm(avery.id, "")


def test_find_gives_what_a_sign_in_gives_or_none(directory):
    avery = BY_NAME["avery.chen"]

    assert directory.find(avery.id) == directory.authenticate("avery.chen", PASSWORD)
    assert directory.find("*") is None
    assert directory.find("00000000-0000-0000-0000-000000000000") is None


def test_everyone_is_read_page_by_page(ldap_settings):
    paged = LdapDirectory(replace(ldap_settings, page_size=100))

    assert len(BY_NAME) > 300
    assert {entry.id for entry in paged.everyone()} == {member.id for member in BY_NAME.values()}


def test_everyone_says_the_same_of_a_person_as_their_sign_in(directory):
    everyone = {entry.username: entry for entry in directory.everyone()}

    for member in ACTIVE:
        told = replace(everyone[member.username], manager_id=None, is_manager=None)  # not asked for
        assert told == directory.authenticate(member.username, PASSWORD)


def test_a_base_that_is_not_there_makes_everyone_fail(ldap_settings):
    bases = (*ldap_settings.user_bases, "ou=typo,dc=portal,dc=demo")
    broken = LdapDirectory(replace(ldap_settings, user_bases=bases))

    with pytest.raises(Misbehaving, match="short"):
        list(broken.everyone())


@pytest.mark.parametrize("group", ["portal-typo", "cn=typo,ou=groups,dc=portal,dc=demo", "*"])
def test_a_group_that_does_not_resolve_is_a_fault_not_nobody(ldap_settings, group):
    broken = LdapDirectory(ldap_settings, wanted_groups=["portal-hr", group])

    with pytest.raises(Misbehaving, match="does not resolve"):
        broken.authenticate("avery.chen", PASSWORD)
    with pytest.raises(Misbehaving, match="does not resolve"):
        list(broken.everyone())


def test_a_group_may_be_named_by_its_dn(ldap_settings):
    dn = "CN=portal-hr,ou=groups,dc=portal,dc=demo"
    named = LdapDirectory(ldap_settings, wanted_groups=[dn])

    assert named.authenticate("harper.singh", PASSWORD).groups == {dn}


def test_who_is_not_in_the_required_group_stays_outside(ldap_settings):
    settings = replace(ldap_settings, required_group="portal-hr")
    closed = LdapDirectory(settings, wanted_groups=["portal-hr"])

    assert closed.authenticate("harper.singh", PASSWORD).groups == {"portal-hr"}
    with pytest.raises(AccountClosed, match="not-in-group"):
        closed.authenticate("avery.chen", PASSWORD)


def test_a_wrong_service_password_is_a_fault_of_the_house(ldap_settings, tmp_path):
    (tmp_path / "password").write_text("wrong ½")
    broken = LdapDirectory(replace(ldap_settings, bind_password_file=str(tmp_path / "password")))

    with pytest.raises(Misbehaving, match="service account"):
        broken.authenticate("avery.chen", PASSWORD)


def test_no_answer_crosses_over_between_threads(directory, monkeypatch):
    monkeypatch.setattr("portal.people.ldap.LINE_SECONDS", 60)  # eight threads, two lines
    names = [name for name, member in BY_NAME.items() if member.state == "active"]

    def sign_in_fifty(offset: int) -> list[str]:
        wrong = []
        for turn in range(50):
            name = names[(offset * 41 + turn * 7) % len(names)]
            if directory.authenticate(name, PASSWORD).username != name:
                wrong.append(name)
            if turn % 10 == 0:
                with pytest.raises(WrongCredentials):
                    directory.authenticate(name, "wrong")
        return wrong

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(sign_in_fifty, range(8))) == [[]] * 8


def test_the_demo_directory_listens_on_loopback_only(demo, tmp_path):
    for address in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(ValueError, match="loopback"):
            DemoServer((address, 0), demo.server.directory, tmp_path)


EVE = Member("eve", "Eve", 'Éclair, "Q" (née Ø)', "Clerk", "Finance", groups=("inner",))
BO = Member("bo", "Bo", "Ss", "Clerk", "Finance", groups=("portal-authors",))
MORE = """
dn: uid=twin,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Twin
sn: One
userPassword: portal-demo

dn: uid=twin,ou=contractors,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Twin
sn: Two
userPassword: portal-demo

dn: cn=Last\\2C First \\22Q\\22,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
uid: comma
cn: Last, First "Q"
sn: Last
userPassword: portal-demo

dn: cn=portal-hr,ou=groups,dc=portal,dc=demo
objectClass: groupOfNames
member: cn=outer,ou=groups,dc=portal,dc=demo
member: cn=Last\\2C First \\22Q\\22,ou=people,dc=portal,dc=demo

dn: cn=outer,ou=groups,dc=portal,dc=demo
objectClass: groupOfNames
member: cn=inner,ou=groups,dc=portal,dc=demo
member: cn=portal-hr,ou=groups,dc=portal,dc=demo

dn: cn=short,dc=portal,dc=demo
objectClass: person
objectClass: pwdPolicy
sn: short
pwdAttribute: userPassword
pwdMaxAge: 60

dn: uid=stale,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Stale Password
sn: Password
userPassword: portal-demo
pwdChangedTime: 20200101000000Z
pwdPolicySubentry: cn=short,dc=portal,dc=demo

dn: uid=locked,ou=people,dc=portal,dc=demo
objectClass: inetOrgPerson
cn: Locked Out
sn: Out
userPassword: portal-demo
pwdAccountLockedTime: 20260101000000Z
"""
ODD_PASSWORDS = ["½ﬁ²", "a\u00a0b", "cafe\u0301", "café", 'a,"b)(\\*', " blanks ", "🙂", "p" * 1024]


@pytest.fixture(scope="module")
def odd():
    """OpenLDAP with odd entries: a login twice, groups in groups in a loop, odd passwords."""
    more = MORE
    for number, password in enumerate(ODD_PASSWORDS):
        more += f"\ndn: uid=odd{number},ou=people,dc=portal,dc=demo\nobjectClass: inetOrgPerson\n"
        more += f"cn: Odd\nsn: Odd\nuserPassword:: {b64encode(password.encode()).decode()}\n"
    with servers.slapd([EVE, BO], more=more) as server:
        yield LdapDirectory(server.settings, wanted_groups=["portal-hr", "portal-authors"])


@pytest.mark.server
class TestOddEntries:
    @pytest.mark.parametrize("number", range(len(ODD_PASSWORDS)))
    def test_any_password_goes_to_the_directory_byte_by_byte(self, odd, number):
        assert odd.authenticate(f"odd{number}", ODD_PASSWORDS[number]).username == f"odd{number}"

    def test_a_password_is_not_normalized(self, odd):
        with pytest.raises(WrongCredentials):
            odd.authenticate("odd2", unicodedata.normalize("NFC", ODD_PASSWORDS[2]))

    def test_a_login_of_two_entries_is_refused(self, odd):
        with pytest.raises(WrongCredentials, match=r"^several-entries$"):
            odd.authenticate("twin", PASSWORD)

    def test_a_name_with_quotes_commas_and_accents_comes_back_whole(self, odd):
        assert odd.authenticate("eve", PASSWORD).full_name == EVE.full_name

    def test_a_dn_with_commas_and_quotes_signs_in_and_has_its_role(self, odd):
        entry = odd.authenticate("comma", PASSWORD)

        assert (entry.full_name, entry.groups) == ('Last, First "Q"', {"portal-hr"})
        assert odd.find(entry.id) == entry

    def test_a_group_in_a_group_gives_the_role_and_a_loop_ends(self, odd):
        everyone = {entry.username: entry.groups for entry in odd.everyone()}

        assert odd.authenticate("eve", PASSWORD).groups == everyone["eve"] == {"portal-hr"}
        assert odd.authenticate("bo", PASSWORD).groups == everyone["bo"] == {"portal-authors"}
        assert everyone["comma"] == {"portal-hr"}

    def test_an_expired_password_must_be_changed(self, odd):
        with pytest.raises(MustChangePassword, match=r"^password-expired$"):
            odd.authenticate("stale", PASSWORD)
        with pytest.raises(WrongCredentials, match=r"^password$"):
            odd.authenticate("stale", "wrong")

    def test_a_locked_account_reads_as_a_wrong_password(self, odd):
        with pytest.raises(WrongCredentials, match=r"^locked$"):
            odd.authenticate("locked", PASSWORD)
