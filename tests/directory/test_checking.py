"""What the check of the directory says of good directories, and of each thing that can be wrong."""

from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from portal import db
from portal.directory import checking
from portal.people.demo_people import CONTRACTORS, PEOPLE
from portal.people.door import make_door
from tests import servers
from tests.factories import make_person
from tests.people.conftest import running_demo
from tests.people.proxy import Proxy
from tests.people.test_directory import EVE, MORE
from tests.people.test_faults import make_server_pem

HOSTILE = "*)("


@pytest.fixture
def door_to(app):
    """Makes the app's door for a directory, with some settings changed."""

    def make(ldap, tries=8, **changed):
        own = replace(app.extensions["settings"], ldap=replace(ldap, **changed))
        own = replace(own, sign_in_tries=tries)
        app.extensions["door"] = make_door(own)
        return app.extensions["door"]

    return make


def lines(door):
    """What the check says, by the first words of each line."""
    return {each.what: each for each in checking.check(door)}


def bad(door):
    """The lines that say bad; each must have a remedy."""
    found = [each for each in checking.check(door) if each.state == "bad"]
    assert all(each.remedy for each in found)
    return found


def only_bad(door):
    (found,) = bad(door)
    return found


def traced(door, username):
    return {each.what: (each.state, each.said) for each in checking.trace(door, username)}


def test_each_line_of_a_good_directory_is_good(door_to, ldap_settings):
    roles = ("portal-hr=hr", "portal-admins=admin")
    door = door_to(ldap_settings, role_groups=roles, exclude=("avery.*",))
    (url,) = ldap_settings.urls
    found = lines(door)

    worth_a_look = {what for what, each in found.items() if each.state != "good"}
    assert worth_a_look <= {"Lock-out"}  # which the demonstration's own does not tell
    assert "127.0.0.1" in found[f"{url} DNS"].said
    assert found[f"{url} TCP"].said.endswith(" ms")
    assert "days more" in found[f"{url} TLS"].said
    assert found[f"{url} bind"].said == "The service account is let in."
    assert found[PEOPLE].said == "315 people, read to the last page."
    assert found[CONTRACTORS].said == "11 people, read to the last page."
    assert found["ID_ATTR"].said == "Each person has an id of their own."
    assert found["full_name"].said == found["department"].said == "100% of people have it."
    assert found["Closed accounts"].said == "1"
    assert found["Taken for no person"].said == "avery.chen"
    hr = "cn=portal-hr,ou=groups,dc=portal,dc=demo"
    assert found["portal-hr"].said.startswith(f"{hr}, people in it: ")


def test_without_a_directory_it_says_which_setting_is_missing(door_to, demo):
    door = replace(door_to(demo.settings), ldap=replace(demo.settings, urls=()))

    assert only_bad(door).remedy == "Set PORTAL_LDAP_URLS."


def test_a_name_that_does_not_resolve(door_to, demo):
    found = only_bad(door_to(demo.settings, urls=("ldaps://directory.invalid",)))

    assert found.what == "ldaps://directory.invalid DNS"
    assert "PORTAL_LDAP_URLS" in found.remedy


def test_a_port_that_is_closed(door_to, demo):
    url = f"ldaps://localhost:{servers.free_port()}"
    found = only_bad(door_to(demo.settings, urls=(url,)))

    assert (found.what, "refused" in found.said) == (f"{url} TCP", True)
    assert "firewall" in found.remedy


def test_a_second_server_that_is_down_does_not_hide_the_first(door_to, demo):
    down = f"ldaps://localhost:{servers.free_port()}"
    for urls in ((*demo.settings.urls, down), (down, *demo.settings.urls)):
        found = lines(door_to(demo.settings, urls=urls))

        assert [each for each in found if found[each].state == "bad"] == [f"{down} TCP"]
        assert found[PEOPLE].state == "good"


@pytest.mark.parametrize("ldaps", [True, False], ids=["ldaps", "starttls"])
@pytest.mark.parametrize(
    ("fault", "words", "remedy"),
    [
        ("expired", "expired", "Renew"),
        ("untrusted", "verify failed", "CA_FILE"),
        ("wrong host", "not valid for 'localhost'", "names this host"),
        ("no authority", "", "CA_FILE"),
    ],
)
def test_a_certificate_that_proves_nothing(door_to, demo, tmp_path, fault, words, remedy, ldaps):
    make_server_pem(
        tmp_path,
        name="directory.example" if fault == "wrong host" else "localhost",
        days=-1 if fault == "expired" else 10,
        trusted_by=Path(demo.settings.ca_file).read_bytes() if fault == "untrusted" else None,
    )
    with running_demo(tmp_path, ldaps=ldaps) as server:
        if fault == "no authority":
            (tmp_path / "demo-directory-ca.pem").unlink()
        found = only_bad(door_to(server.settings))

    assert found.what.endswith(" TLS")
    assert words in found.said
    assert remedy in found.remedy
    assert server.binds == []


def test_a_certificate_that_ends_soon_is_worth_a_look(door_to, tmp_path):
    make_server_pem(tmp_path, days=10)
    with running_demo(tmp_path) as server:
        (found,) = [each for what, each in lines(door_to(server.settings)).items() if "TLS" in what]

    assert (found.state, found.remedy) == ("look", "Renew the server’s certificate.")


@pytest.mark.parametrize("password", ["wrong ½", "", None], ids=["wrong", "empty", "no file"])
def test_a_service_account_that_is_not_let_in(door_to, ldap_settings, tmp_path, password):
    if password is not None:
        (tmp_path / "password").write_text(password)
    found = only_bad(door_to(ldap_settings, bind_password_file=str(tmp_path / "password")))

    assert found.what.endswith(" bind")
    assert "service account" in found.said
    assert "BIND_PASSWORD_FILE" in found.remedy
    assert not password or password not in found.said


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("ou=groups,dc=portal,dc=demo", "Nobody is here."),
        ("ou=typo,dc=portal,dc=demo", "noSuchObject"),
        ("no dn", "attribute type not present"),
    ],
)
def test_a_base_that_is_empty_wrong_or_no_name_at_all(door_to, ldap_settings, base, words):
    found = only_bad(door_to(ldap_settings, user_bases=(PEOPLE, base)))

    assert found.what == base
    assert words in found.said
    assert "USER_BASES" in found.remedy


def test_a_filter_that_is_no_filter(door_to, ldap_settings):
    found = bad(door_to(ldap_settings, user_filter="(objectClass=person"))

    assert [each.what for each in found] == [PEOPLE, CONTRACTORS]
    assert "USER_FILTER" in found[0].remedy


def test_an_id_that_not_everybody_has(door_to, ldap_settings):
    found = bad(door_to(ldap_settings, id_attr="mail"))

    assert "has no mail" in found[0].said
    assert "ID_ATTR" in found[0].remedy


def test_bases_that_overlap_and_ids_that_are_none(door_to, ldap_settings):
    for changed in ({"user_bases": (PEOPLE, PEOPLE)}, {"id_attr": "departmentNumber"}):
        found = only_bad(door_to(ldap_settings, **changed))
        assert (found.what, "come twice" in found.said) == ("ID_ATTR", True)


def test_a_role_group_that_is_not_there(door_to, ldap_settings):
    found = only_bad(door_to(ldap_settings, role_groups=("portal-hr=hr", "portal-typo=admin")))

    assert found.what == "portal-typo"
    assert "does not resolve" in found.said
    assert "GROUP_BASE" in found.remedy


def test_a_group_with_nobody_in_it_is_worth_a_look(door_to, ldap_settings):
    found = lines(door_to(ldap_settings, role_groups=("portal-hr=hr",), user_bases=(CONTRACTORS,)))

    assert found["portal-hr"].state == "look"
    assert found["portal-hr"].said.endswith("people in it: 0")
    assert found["portal-hr"].remedy


def test_an_attribute_that_few_have_is_worth_a_look(door_to, ldap_settings):
    mapped = [pair for pair in ldap_settings.attr_map if not pair.startswith("job_title")]
    found = lines(door_to(ldap_settings, attr_map=(*mapped, "job_title=pager")))["job_title"]

    assert (found.state, found.said) == ("look", "0% of people have it.")
    assert "ATTR_MAP" in found.remedy


def test_addresses_that_are_none_are_named_with_what_follows(door_to, ldap_settings):
    mapped = [pair for pair in ldap_settings.attr_map if not pair.startswith("email")]
    found = lines(door_to(ldap_settings, attr_map=(*mapped, "email=cn")))

    said = found["Email addresses that are none"]
    assert said.state == "look"
    assert "avery.chen" in said.said
    assert "count as without email" in said.remedy


def test_a_server_that_hung_up_since_the_last_sign_in_is_still_good(door_to, demo):
    with Proxy(demo.port) as address:
        door = door_to(demo.settings, urls=(f"ldaps://localhost:{address.port}",))
        assert door.directory.find("nobody") is None
        address.hang_up()

        assert bad(door) == []


def test_a_server_that_dies_while_everybody_is_read(door_to, demo):
    with Proxy(demo.port, "cut", after=40_000) as address:
        door = door_to(demo.settings, urls=(f"ldaps://localhost:{address.port}",), page_size=50)
        found = only_bad(door)

    assert "own log" in found.remedy


@pytest.mark.server
class TestOfOpenLdap:
    @pytest.mark.parametrize(("locks", "state"), [(7, "bad"), (8, "bad"), (9, "good")])
    def test_the_portal_must_stop_before_the_directory_locks(self, door_to, locks, state):
        with servers.slapd([EVE], locks_after=locks) as server:
            found = lines(door_to(server.settings, tries=8))["Lock-out"]

        assert (found.state, str(locks) in found.said) == (state, True)
        assert bool(found.remedy) == (state == "bad")

    def test_the_strictest_policy_counts(self, door_to):
        strict = MORE + "\n".join(
            [
                "",
                "dn: cn=strict,dc=portal,dc=demo",
                "objectClass: person",
                "objectClass: pwdPolicy",
                "sn: strict",
                "pwdAttribute: userPassword",
                "pwdMaxFailure: 4",
            ]
        )
        with servers.slapd([EVE], more=strict, locks_after=20) as server:
            door = door_to(server.settings)
            assert lines(door)["Lock-out"].state == "bad"
            assert traced(door, "twin")["twin"] == ("bad", "Several entries have this name.")

    def test_a_directory_that_never_locks_is_good(self, door_to, slapd):
        assert lines(door_to(slapd.settings))["Lock-out"].said == "Never"

    def test_a_size_limit_is_named_with_what_lifts_it(self, door_to):
        with servers.slapd(size_limit="100") as server:
            found = bad(door_to(server.settings))

        assert found[0].what == PEOPLE
        assert "sizeLimitExceeded" in found[0].said
        assert "size limit" in found[0].remedy


# A person's sign-in, followed without a password


def test_a_person_who_may_sign_in_is_followed_to_their_roles(door_to, ldap_settings):
    door = door_to(ldap_settings, role_groups=("portal-hr=hr",))
    avery = traced(door, " Avery.Chen ")
    harper = traced(door, "harper.singh")

    assert avery["DN"] == ("good", "uid=avery.chen,ou=people,dc=portal,dc=demo")
    assert avery["Account"] == ("good", "open")
    assert avery["full_name"] == ("good", "Avery Chen")
    assert avery["Roles"] == ("good", "learner")
    assert harper["groups"] == ("good", "portal-hr")
    assert harper["Roles"] == ("good", "hr, learner")


@pytest.mark.parametrize("username", ["nobody.here", HOSTILE, "*", "a" * 9999, "\0", ""])
def test_nobody_is_found_under_a_name_that_nobody_has(door_to, ldap_settings, username):
    (found,) = checking.trace(door_to(ldap_settings), username)

    assert (found.state, found.said) == ("bad", "No entry has this name.")
    assert "LOGIN_ATTRS" in found.remedy


def test_a_disabled_person_is_said_to_be_closed(door_to, ldap_settings):
    assert traced(door_to(ldap_settings), "drew.former")["Account"] == ("bad", "closed")


def test_who_is_taken_for_no_person_or_is_outside_the_group_is_told(door_to, ldap_settings):
    excluded = traced(door_to(ldap_settings, exclude=("avery.*",)), "avery.chen")
    outside = traced(door_to(ldap_settings, required_group="portal-hr"), "avery.chen")

    assert excluded["Account"] == ("look", "taken for no person")
    assert outside["avery.chen"] == ("bad", "Not in the required group.")


def test_a_name_of_the_portals_own_is_not_asked_of_the_directory(door_to, demo):
    assert traced(door_to(demo.settings), "c-casey")["c-casey"][0] == "look"


def test_a_trace_asks_the_second_server_when_the_first_is_down(door_to, demo):
    down = f"ldaps://localhost:{servers.free_port()}"
    door = door_to(demo.settings, urls=(down, *demo.settings.urls))

    assert traced(door, "avery.chen")["Account"] == ("good", "open")


# The page and the command


@pytest.fixture
def admin(sign_in):
    return sign_in(make_person("Taylor Bear", roles=["admin", "learner"]))


def test_the_page_shows_every_line_and_the_persons_own(door_to, demo, admin):
    door_to(demo.settings, user_bases=(PEOPLE, "ou=typo,dc=portal,dc=demo"))

    assert "What we saw" not in admin.get("/directory/check").text
    page = admin.post("/directory/check", data={"username": HOSTILE})
    text = unescape(page.text)

    assert page.status_code == 200
    assert HOSTILE in text
    assert "No entry has this name." in text
    assert "noSuchObject" in text
    assert "Does not work" in text
    assert Path(demo.settings.bind_password_file).read_text() not in text


def test_the_page_checks_without_a_name_too(door_to, demo, admin):
    door_to(demo.settings)
    page = admin.post("/directory/check")

    assert "315 people, read to the last page." in page.text
    assert "This person" not in page.text.split("<form", maxsplit=1)[0]


def test_the_command_says_each_line_and_fails_where_one_is_bad(app, door_to, demo):
    def run(*words):
        db.finish(keep=True)
        result = app.test_cli_runner().invoke(args=["portal", "check-directory", *words])
        return result.output, result.exit_code

    door_to(demo.settings)
    said, code = run("--user", "avery.chen")
    assert code == 0
    assert "good  Account: open\n" in said
    said, code = run("--user=nobody.here")
    assert code == 1
    assert "bad   nobody.here: No entry has this name.  -> One is needed" in said
    door_to(demo.settings, urls=(f"ldaps://localhost:{servers.free_port()}",))
    said, code = run()
    assert (code, "-> Is the server running" in said) == (1, True)
