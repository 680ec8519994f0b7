"""The people of the demonstration: the cast, and some 300 who make the city look like one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from uuid import NAMESPACE_URL, uuid5

PASSWORD = "portal-demo"  # noqa: S105 - everybody may know it: loopback and demo only
BASE = "dc=portal,dc=demo"
PEOPLE = f"ou=people,{BASE}"
CONTRACTORS = f"ou=contractors,{BASE}"
GROUPS = f"ou=groups,{BASE}"
SERVICE = f"cn=portal,ou=services,{BASE}"
DOMAIN = "medicinehat.example"


@dataclass(frozen=True)
class Member:
    """One entry of the demo directory. `state` is active, must-change or disabled."""

    username: str
    given: str
    family: str
    title: str
    department: str
    plays: str = ""
    kind: str = "employee"
    manager: str = ""  # username; for contractors the sponsor
    has_mail: bool = True
    state: str = "active"
    started_on: date = date(2019, 5, 6)
    ends_on: date | None = None
    location: str = "City Hall"
    union_scope: str = "in"
    groups: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Given name and family name."""
        return f"{self.given} {self.family}"

    @property
    def dn(self) -> str:
        """Where the entry is."""
        return f"uid={self.username},{CONTRACTORS if self.kind == 'contractor' else PEOPLE}"

    @property
    def id(self) -> str:
        """entryUUID, the same at every start."""
        return str(uuid5(NAMESPACE_URL, f"https://{DOMAIN}/{self.username}"))

    @property
    def mail(self) -> str:
        """Work e-mail, empty for who has none."""
        return f"{self.username}@{DOMAIN}" if self.has_mail else ""


DEPARTMENTS = {
    "Corporate Communications": ("Communications adviser", "Web editor", "Graphic designer"),
    "Development Services": ("Planner", "Building inspector", "Permit clerk"),
    "Economic Development": ("Business analyst", "Event coordinator", "Film liaison"),
    "Electric Utility": ("Power line technician", "Plant operator", "Meter reader"),
    "Environmental Utilities": ("Water plant operator", "Lab technician", "Collection driver"),
    "Finance": ("Accountant", "Payroll clerk", "Buyer"),
    "Fire and Emergency Services": ("Firefighter", "Captain", "Dispatcher"),
    "Human Resources": ("HR adviser", "Benefits clerk", "Safety adviser"),
    "Information Technology": ("Analyst", "Network technician", "Service desk agent"),
    "Parks and Recreation": ("Arborist", "Lifeguard", "Grounds worker"),
    "Public Works": ("Heavy equipment operator", "Road crew worker", "Traffic technician"),
    "Transit": ("Bus operator", "Mechanic", "Scheduler"),
}

LOCATIONS = {
    "Electric Utility": "Power plant",
    "Environmental Utilities": "Water plant",
    "Fire and Emergency Services": "Fire hall",
    "Parks and Recreation": "Parks yard",
    "Public Works": "Works yard",
    "Transit": "Transit garage",
}
"""Where a department works; the others are at City Hall."""

CAST = (
    Member(
        "avery.chen",
        "Avery",
        "Chen",
        "Planner",
        "Development Services",
        plays="an ordinary employee",
        manager="oksana.melnyk",
    ),
    Member(
        "sam.whitehorse",
        "Sam",
        "Whitehorse",
        "Crew lead",
        "Parks and Recreation",
        plays="an outside worker without e-mail",
        manager="morgan.dubois",
        has_mail=False,
        location="Parks yard",
    ),
    Member(
        "morgan.dubois",
        "Morgan",
        "Dubois",
        "Manager, Parks",
        "Parks and Recreation",
        plays="a manager",
        location="Parks yard",
        union_scope="out",
    ),
    Member(
        "harper.singh",
        "Harper",
        "Singh",
        "HR adviser",
        "Human Resources",
        plays="HR",
        union_scope="out",
        groups=("portal-hr",),
    ),
    Member(
        "colby.marsh",
        "Colby",
        "Marsh",
        "Communications adviser",
        "Corporate Communications",
        plays="an author of content",
        groups=("portal-authors", "portal-custodians"),
    ),
    Member(
        "casey.novak",
        "Casey",
        "Novak",
        "Project consultant",
        "Development Services",
        plays="a contractor being onboarded",
        kind="contractor",
        union_scope="out",
        manager="avery.chen",
        started_on=date(2026, 11, 16),
        ends_on=date(2027, 10, 29),
    ),
    Member(
        "riley.okafor",
        "Riley",
        "Okafor",
        "Bus operator",
        "Transit",
        plays="someone who must change the password",
        state="must-change",
    ),
    Member(
        "drew.former",
        "Drew",
        "Former",
        "Analyst",
        "Information Technology",
        plays="someone whose account is disabled",
        state="disabled",
    ),
    Member(
        "taylor.bear",
        "Taylor",
        "Bear",
        "Systems administrator",
        "Information Technology",
        plays="an administrator",
        groups=("portal-admins",),
    ),
    Member(
        "lukasz.nguyen",
        "Łukasz",
        "Nguyễn-O’Neill",
        "Lab technician",
        "Environmental Utilities",
        plays="a name that breaks fonts and filters",
    ),
)

_GIVEN = """
Aiyana Amelie Amrit Anh Anita Arlo Ayesha Benoît Bohdan Brandon Carmen Chantal Chidi Clara
Connor Daniela Darius Dawn Delphine Devon Elena Eli Emeka Esther Fatima Finn Gabrielle Gord
Grace Gurpreet Hana Heather Ibrahim Ines Isaac Iryna Jasmine Jayden Jordan Josie Kaitlyn Kateri
Kenji Kofi Laila Lan Leif Liam Lourdes Luc Maria Marisol Mei Mika Mohammed Nadia Naomi Noor
Nikolai Oksana Olga Owen Patience Petro Priya Quinn Rahim Ramona Renee Rowan Ruth Sandeep Sasha
Sigrid Simone Soledad Stefan Taras Theo Thuy Tomas Travis Uma Victor Wade Winona Xavier Yusuf
Zara
"""
_FAMILY = """
Abdi Adeyemi Ahmed Anderson Arsenault Bautista Bear Beaulieu Bergeron Bhatti Blackwater Bouchard
Boyko Campbell Cardinal Castillo Chung Cloutier Crowchild Cruz Dela-Cruz Desjardins Dhillon
Doucette Dyck Eagle Engel Fehr Fernandes Friesen Gagnon Garcia Giesbrecht Gill Goodstriker Grant
Gray Haidar Hassan Hnatiuk Hoang Hofer Ivanenko Jensen Johnson Kaur Kim Klassen Kovalenko
Kowalchuk Lam Lavoie Leclerc Li MacDonald Makokis Martin Mbeki McKay Melnyk Mensah Moreau Morin
Nakamura Ng Nowak Okeke Olsen Ouellet Park Pelletier Petrenko Pham Poirier Rahman Reyes Rivera
Roy Santos Schmidt Shevchenko Singh Sinclair Smith Starlight Stewart Tailfeathers Tanaka
Thiessen Tran Tremblay Unger Vu Walker Wiebe Wong Yellowhorn Young Zhang
"""


def everybody() -> list[Member]:
    """The cast and the generated people, the same at every start."""
    return [*CAST, *_generated()]


def _generated() -> Iterator[Member]:
    chance = Random("medicine hat")  # noqa: S311 - the same city every time
    taken = {member.username for member in CAST}
    sizes = dict(zip(DEPARTMENTS, (9, 22, 8, 34, 36, 20, 38, 12, 18, 41, 37, 31), strict=True))
    for department, titles in DEPARTMENTS.items():
        head = _person(chance, taken, f"Manager, {department}", department)
        if department == "Development Services":
            head = replace(head, username="oksana.melnyk", given="Oksana", family="Melnyk")
            taken.add(head.username)
        head = replace(head, union_scope="out")
        yield replace(head, groups=("council-office",)) if department == "Finance" else head
        for _ in range(sizes[department] - 1):
            member = _person(chance, taken, chance.choice(titles), department)
            outside = department in {"Parks and Recreation", "Public Works", "Transit"}
            boss = "morgan.dubois" if member.title == "Arborist" else head.username
            yield replace(member, manager=boss, has_mail=not outside or chance.random() < 0.4)
        for _ in range(1 if chance.random() < 0.7 else 0):
            start = date(2026, 8, 3) + timedelta(days=7 * chance.randrange(16))
            yield replace(
                _person(chance, taken, "Contractor", department),
                kind="contractor",
                union_scope="out",
                manager=head.username,
                started_on=start,
                ends_on=start + timedelta(days=364),
            )


def _person(chance: Random, taken: set[str], title: str, department: str) -> Member:
    while True:
        given, family = chance.choice(_GIVEN.split()), chance.choice(_FAMILY.split())
        username = f"{given}.{family}".lower().replace("î", "i")
        if username not in taken:
            taken.add(username)
            started = date(2001, 1, 8) + timedelta(days=7 * chance.randrange(1300))
            return Member(
                username,
                given,
                family,
                title,
                department,
                started_on=started,
                location=LOCATIONS.get(department, "City Hall"),
            )
