"""Contractors without a duty come under a period, too."""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('contract_rules',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('months', sa.Integer(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_contract_rules_by_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contract_rules'))
    )
    op.create_table('disposal_people',
    sa.Column('list_id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('kept_because', sa.Text(), nullable=False),
    sa.Column('done_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['list_id'], ['disposal_lists.id'], name=op.f('fk_disposal_people_list_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_disposal_people_person_id')),
    sa.PrimaryKeyConstraint('list_id', 'person_id', name=op.f('pk_disposal_people'))
    )


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
