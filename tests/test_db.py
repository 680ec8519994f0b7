from sqlalchemy import func, select

from portal import db
from portal.people.models import Person
from tests.factories import make_person

COUNT = select(func.count()).select_from(Person)


def test_each_select_of_a_get_sees_its_own_moment(each_app):
    with each_app.app_context(), each_app.test_request_context("/"):
        before = db.connection().scalar(COUNT)
        with db.transaction():
            make_person()
        after = db.connection().scalar(COUNT)

    assert (before, after) == (0, 1)


def test_a_get_that_makes_no_objects_opens_no_session_and_gives_its_connection_back(app):
    with app.app_context(), app.test_request_context("/"):
        db.connection().scalar(COUNT)
        assert app.extensions["engine"].pool.checkedout() == 1
        db.session.scalars(select(Person)).all()
        assert app.extensions["engine"].pool.checkedout() == 1
    assert app.extensions["engine"].pool.checkedout() == 0
