"""Mails that name other people than who gets them are found when those are let go."""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text(
        "name IN ('contract-ends', 'deputy', 'invitation', 'team-list') AND text != ''"
    )
    op.create_index(
        'ix_mails_naming_others', 'mails', ['queued_at'], sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
