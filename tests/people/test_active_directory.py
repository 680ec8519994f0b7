"""Signing in and reading people against Active Directory: a Samba domain controller."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE

from portal.directory import checking
from portal.people.directory import (
    AccountClosed,
    Entry,
    Misbehaving,
    MustChangePassword,
    WrongCredentials,
)
from portal.people.door import make_door
from portal.people.ldap import LdapDirectory
from portal.people.ldap_answers import classify
from portal.people.ldap_line import Line
from portal.people.ldap_values import day, moment
from tests import active_directory as ad
from tests.active_directory import BASE, CONTRACTORS, PASSWORD, ROLES, STAFF, Samba

GROUPS = ("portal-hr", "portal-authors")
PEOPLE = {
    "morgan", "avery", "riley", "stella", "drew", "evan", "casey", "lukasz", "hostile", "paula",
    "nia", "pria", "lisa", "lou",
}  # fmt: skip


@pytest.fixture(scope="session")
def domain() -> Iterator[Samba]:
    """A domain controller with people in every state; several tests add their own."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(ad.samba())
        except RuntimeError as fault:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"Samba can't run here: {fault}")
        yield running


@pytest.fixture(scope="session")
def directory(domain: Samba) -> LdapDirectory:
    """A client of the domain."""
    return LdapDirectory(domain.settings, wanted_groups=GROUPS)


@pytest.fixture
def change(domain: Samba) -> Callable[..., LdapDirectory]:
    """Gives a client with some other settings."""

    def changed(*groups: str, **settings: object) -> LdapDirectory:
        return LdapDirectory(replace(domain.settings, **settings), wanted_groups=groups)

    return changed


@pytest.mark.server
class TestSigningIn:
    @pytest.mark.parametrize("login", ["avery", "AVERY", f"avery@{ad.REALM}", "avery@city.example"])
    def test_a_short_name_a_principal_name_and_a_mail_address_sign_in(self, directory, login):
        entry = directory.authenticate(login, PASSWORD)

        assert (entry.username, entry.full_name) == ("avery", "Avery Chen")
        assert (entry.department, entry.job_title) == ("Transit", "Analyst")
        assert entry.started_on is not None
        assert (entry.ends_on, entry.is_closed) == (None, False)
        assert entry.groups == frozenset()

    @pytest.mark.parametrize(
        ("username", "outcome", "reason"),
        [
            ("riley", MustChangePassword, "must-change"),
            ("stella", MustChangePassword, "password-expired"),
            ("drew", AccountClosed, "disabled"),
            ("evan", AccountClosed, "expired"),
            ("lou", WrongCredentials, "locked"),
            ("nobody", WrongCredentials, "no-entry"),
            ("PC-1$", WrongCredentials, "no-entry"),
        ],
    )
    def test_every_account_state_has_its_outcome(self, directory, username, outcome, reason):
        with pytest.raises(outcome, match=f"^{reason}$"):
            directory.authenticate(username, PASSWORD)

    @pytest.mark.parametrize("username", ["avery", "riley", "stella", "drew", "evan"])
    def test_a_wrong_password_tells_nothing_of_the_account(self, directory, username):
        with pytest.raises(WrongCredentials, match=r"^password$"):
            directory.authenticate(username, "wrong")

    def test_too_many_wrong_passwords_lock_the_account(self, domain, directory):
        domain.person("Tara Tries", "tara")

        for _ in range(ad.TRIES):
            with pytest.raises(WrongCredentials, match=r"^password$"):
                directory.authenticate("tara", "wrong")
        with pytest.raises(WrongCredentials, match=r"^locked$"):
            directory.authenticate("tara", PASSWORD)

    def test_a_password_goes_to_the_directory_byte_by_byte(self, directory):
        assert directory.authenticate("lukasz", ad.ODD_PASSWORD).full_name == ad.ODD_NAME
        with pytest.raises(WrongCredentials, match=r"^password$"):
            directory.authenticate("lukasz", ad.ODD_PASSWORD.replace("½", "1⁄2"))

    def test_a_dn_full_of_special_characters_signs_in_with_role_and_reports(self, directory):
        entry = directory.authenticate("hostile", PASSWORD)

        assert (entry.full_name, entry.groups) == (ad.HOSTILE_NAME, {"portal-hr"})
        assert directory.find(entry.id) == entry
        assert {each.id: each.is_manager for each in directory.everyone()}[entry.id]

    @pytest.mark.parametrize("login", ["*", "av*", "avery)(cn=*", "½", "\\", "CITY\\avery", "\x01"])
    def test_a_hostile_name_finds_nobody(self, directory, login):
        with pytest.raises(WrongCredentials, match=r"^no-entry$"):
            directory.authenticate(login, PASSWORD)

    def test_confirming_asks_for_the_password_of_the_id(self, directory):
        avery = directory.authenticate("avery", PASSWORD)

        directory.confirm(avery.id, PASSWORD)
        with pytest.raises(WrongCredentials, match=r"^password$"):
            directory.confirm(avery.id, "wrong")
        with pytest.raises(WrongCredentials, match=r"^gone$"):
            directory.confirm("00000000-0000-0000-0000-000000000000", PASSWORD)

    @pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
    def test_starttls_and_ldaps_both_sign_in(self, domain, change, scheme):
        plain = f"ldap://localhost:{domain.plain_port}"
        urls = (plain,) if scheme == "ldap" else domain.settings.urls

        assert change(urls=urls).authenticate("avery", PASSWORD).username == "avery"

    @pytest.mark.parametrize(
        "account", [f"svc-portal@{ad.REALM}", "CITY\\svc-portal", f"CN=svc-portal,CN=Users,{BASE}"]
    )
    def test_the_service_account_may_be_named_in_each_of_three_ways(self, change, account):
        assert change(bind_dn=account).authenticate("avery", PASSWORD).username == "avery"

    def test_a_whole_domain_as_base_is_searched_without_its_referrals(self, change):
        whole = change(*GROUPS, user_bases=(BASE,))

        assert whole.authenticate("avery", PASSWORD).username == "avery"
        names = {entry.username for entry in whole.everyone()}
        assert {*PEOPLE, "svc-portal"} <= names
        assert not any(name.endswith("$") for name in names)


@pytest.mark.server
class TestPeople:
    def test_a_contractor_has_a_sponsor_and_a_lastday(self, directory):
        entry = directory.authenticate("casey", PASSWORD)

        assert (entry.kind, entry.sponsor) == ("contractor", "Morgan Dubois")
        assert (entry.ends_on, entry.is_closed) == (ad.LAST_DAY, False)

    def test_who_has_employees_is_a_manager(self, directory):
        found = {entry.username: entry.is_manager for entry in directory.everyone()}

        assert found["morgan"]
        assert not found["casey"]

    def test_who_has_no_display_name_has_a_name_nevertheless(self, domain, directory):
        dn = domain.person("Nora Newman", "nora")
        domain.admin.modify(dn, {"displayName": [(MODIFY_DELETE, [])]})  # New-ADUser sets none
        domain.check()

        assert directory.authenticate("nora", PASSWORD).full_name == "Nora Newman"

    def test_a_rename_and_a_move_leave_the_id(self, domain, directory):
        dn = domain.person("Mona Before", "mona")
        before = directory.authenticate("mona", PASSWORD)

        domain.move(dn, "CN=Mona\\, After", CONTRACTORS)
        domain.modify(f"CN=Mona\\, After,{CONTRACTORS}", sAMAccountName="mona.after")
        after = directory.authenticate("mona.after", PASSWORD)

        assert after.id == before.id
        assert after.dn == f"CN=Mona\\, After,{CONTRACTORS}"
        assert directory.find(before.id) == after

    def test_the_id_is_the_one_that_windows_shows(self, domain, directory):
        avery = directory.authenticate("avery", PASSWORD)

        domain.admin.search(f"<GUID={avery.id}>", "(objectClass=*)", "BASE", attributes=["cn"])

        assert domain.admin.response[0]["attributes"]["cn"] == ["Avery Chen"]

    @pytest.mark.parametrize("stranger", ["*", "gone", "00000000-0000-0000-0000-000000000000"])
    def test_an_id_from_elsewhere_finds_nobody(self, directory, stranger):
        assert directory.find(stranger) is None

    def test_the_case_of_the_ids_attribute_does_not_matter(self, directory, change):
        avery = directory.authenticate("avery", PASSWORD)

        assert change(id_attr="OBJECTguid").find(avery.id).id == avery.id

    def test_people_without_an_id_are_a_fault_and_not_one_person(self, change):
        broken = change(id_attr="objectGUIDD")

        with pytest.raises(Misbehaving, match="has no objectGUIDD"):
            broken.authenticate("avery", PASSWORD)
        with pytest.raises(Misbehaving, match="has no objectGUIDD"):
            list(broken.everyone())

    def test_everyone_is_read_page_by_page_without_computers(self, change):
        names = [entry.username for entry in change(page_size=3).everyone()]

        assert len(names) == len(set(names))
        assert set(names) >= PEOPLE
        assert not {"PC-1$", "svc-portal"} & set(names)

    def test_disabled_and_expired_accounts_are_marked_and_no_others(self, directory):
        everyone = {entry.username: entry.is_closed for entry in directory.everyone()}

        assert {name for name, closed in everyone.items() if closed} == {"drew", "evan"}

    def test_everyone_says_the_same_of_a_person_as_their_sign_in(self, directory):
        everyone = {entry.username: entry for entry in directory.everyone()}

        for name in PEOPLE - {"riley", "stella", "drew", "evan", "lou", "lukasz"}:
            told = replace(everyone[name], manager_id=None, is_manager=None)  # not asked for
            assert told == directory.authenticate(name, PASSWORD)
        assert everyone["avery"].manager_id == everyone["morgan"].id
        assert everyone["paula"].manager_id == everyone["hostile"].id


@pytest.mark.server
class TestGroups:
    @pytest.mark.parametrize(
        ("username", "groups"),
        [
            ("nia", {"portal-hr"}),  # through two groups, in a loop
            ("pria", {"portal-authors"}),  # her primary group is in it
            ("lisa", set()),  # only through a distribution list
            ("avery", set()),
        ],
    )
    def test_nested_and_primary_groups_give_roles(self, directory, username, groups):
        everyone = {entry.username: entry.groups for entry in directory.everyone()}

        assert directory.authenticate(username, PASSWORD).groups == groups == everyone[username]

    def test_a_primary_group_itself_gives_the_role(self, change):
        officers = change("officers")

        assert officers.authenticate("pria", PASSWORD).groups == {"officers"}
        assert {e.username for e in officers.everyone() if e.groups} == {"pria"}

    @pytest.mark.parametrize("name", ["Rats, (all) *", f"cn=OUTER,{ROLES}"])
    def test_a_group_may_have_an_odd_name_or_a_dn(self, change, name):
        groups = change(name)

        told = {e.username for e in groups.everyone() if e.groups == {name}}
        assert told == ({"nia", "hostile"} if "OUTER" in name else set())

    @pytest.mark.parametrize(
        "group", ["typo", "*", f"CN=typo,{ROLES}", "news", f"CN=Avery Chen,{STAFF}"]
    )
    def test_a_group_that_can_not_give_a_role_is_a_fault_not_nobody(self, change, group):
        broken = change("portal-hr", group)

        with pytest.raises(Misbehaving, match="does not resolve"):
            broken.authenticate("avery", PASSWORD)
        with pytest.raises(Misbehaving, match="does not resolve"):
            list(broken.everyone())

    def test_a_group_that_moves_is_found_again_and_never_quietly_nobody(self, domain, change):
        domain.add(f"CN=shift,{ROLES}", "group", sAMAccountName="shift", groupType=ad.SECURITY)
        domain.join("shift", f"CN=Avery Chen,{STAFF}")
        shift = change("shift", group_base=BASE)
        assert shift.authenticate("avery", PASSWORD).groups == {"shift"}

        domain.move(f"CN=shift,{ROLES}", "CN=shift", STAFF)

        with pytest.raises(Misbehaving, match="is gone"):
            shift.authenticate("avery", PASSWORD)
        assert shift.authenticate("avery", PASSWORD).groups == {"shift"}

    def test_more_members_than_fit_on_a_page_all_have_the_role(self, domain, change):
        domain.add(f"CN=crowd,{ROLES}", "group", sAMAccountName="crowd", groupType=ad.SECURITY)
        base = f"OU=Crowd,{BASE}"
        domain.add(base, "organizationalUnit")
        for number in range(60):
            dn = f"CN=Member {number},{base}"
            domain.add(dn, "user", sAMAccountName=f"member{number}")
            domain.join("crowd", dn)

        crowd = change("crowd", user_bases=(base,), page_size=25)

        assert [entry.groups for entry in crowd.everyone()] == [{"crowd"}] * 60

    def test_groups_that_may_not_be_read_are_a_fault(self, change, monkeypatch):
        asked = Line._raw

        def without_tokens(line, wanted, attributes, *args, **more):
            readable = ["cn" if name == "tokenGroups" else name for name in attributes]
            return asked(line, wanted, readable, *args, **more)

        monkeypatch.setattr(Line, "_raw", without_tokens)

        with pytest.raises(Misbehaving, match="does not tell the groups"):
            change("portal-hr").authenticate("nia", PASSWORD)


@pytest.mark.server
class TestOfAHardenedDomain:
    """Where "Authenticated Users" may not read accounts, as domain hardening guides ask."""

    @pytest.fixture(autouse=True)
    def hardened(self, domain: Samba) -> Iterator[None]:
        group = f"CN=Pre-Windows 2000 Compatible Access,CN=Builtin,{BASE}"
        everybody = f"CN=S-1-5-11,CN=ForeignSecurityPrincipals,{BASE}"
        domain.admin.modify(group, {"member": [(MODIFY_DELETE, [everybody])]})
        domain.check()
        yield
        domain.admin.modify(group, {"member": [(MODIFY_ADD, [everybody])]})
        domain.check()

    def test_a_reading_that_does_not_say_who_is_closed_is_a_fault(self, change):
        with pytest.raises(Misbehaving, match="may not read userAccountControl"):
            list(change().everyone())
        with pytest.raises(Misbehaving, match="may not read userAccountControl"):
            change("portal-hr").authenticate("avery", PASSWORD)

    def test_the_check_names_the_group_that_gives_the_rights(self, app, domain):
        ldap = replace(domain.settings, role_groups=("portal-hr=hr",))
        door = make_door(replace(app.extensions["settings"], ldap=ldap))

        found = {each.what: each for each in checking.check(door)}

        assert found[STAFF].state == "bad"
        assert "Pre-Windows 2000 Compatible Access" in found[STAFF].remedy
        assert found["portal-hr"].state == "look"


@pytest.mark.server
def test_the_check_says_how_many_are_in_a_group_and_that_their_groups_can_be_read(
    app, domain, monkeypatch
):
    ldap = replace(domain.settings, role_groups=("portal-authors=author",))
    door = make_door(replace(app.extensions["settings"], ldap=ldap))

    good = {each.what: each for each in checking.check(door)}
    monkeypatch.setattr(Line, "_token_groups", Mock(side_effect=Misbehaving("no groups")))
    without = {each.what: each for each in checking.check(door)}

    assert good["portal-authors"].said == f"CN=portal-authors,{ROLES}, people in it: 1"
    assert "tokenGroups" not in good
    assert without["tokenGroups"].state == "bad"
    assert "Compatible Access" in without["tokenGroups"].remedy


def answer(code: int, data: str) -> SimpleNamespace:
    """A bind's answer as domain controllers of Windows word it."""
    message = (
        "80090308: LdapErr: DSID-0C0903D9, comment: AcceptSecurityContext error, "
        f"data {data}, v4563\0"
    )
    result = {"result": code, "description": "invalidCredentials", "message": message}
    return SimpleNamespace(bound=False, result=result)


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize(
    ("data", "outcome", "reason"),
    [
        ("525", WrongCredentials, "password"),
        ("52e", WrongCredentials, "password"),
        ("530", AccountClosed, "hours"),
        ("531", AccountClosed, "workstation"),
        ("532", MustChangePassword, "password-expired"),
        ("533", AccountClosed, "disabled"),
        ("701", AccountClosed, "expired"),
        ("773", MustChangePassword, "must-change"),
        ("775", WrongCredentials, "locked"),
    ],
)
def test_a_sub_code_says_why_a_bind_failed(data, outcome, reason, is_closed):
    found = Entry(id="1", dn="CN=x", username="x", full_name="X", is_closed=is_closed)

    with pytest.raises(outcome, match=f"^{reason}$"):
        classify(answer(49, data), found)


@pytest.mark.parametrize("never", ["0", "9223372036854775807", "", "soon"])
def test_an_account_without_an_end_never_expires(never):
    assert moment(never) is None
    assert day(never) is None


@pytest.mark.parametrize("hour", [6, 0, 11])  # midnight in Alberta, Greenwich and Samoa
def test_an_account_that_expires_at_midnight_ends_on_the_day_before(hour):
    expires = datetime(2031, 7, 1, hour, tzinfo=UTC)

    assert moment(str(ad.filetime(expires))) == expires
    assert day(str(ad.filetime(expires))) == date(2031, 6, 30)


def test_generalized_time_is_no_account_expiry():
    assert day("20310630120000.0Z") == day("20310630") == date(2031, 6, 30)
