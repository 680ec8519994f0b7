"""The answers of large campaigns are counted ahead."""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'answer_tallies',
        sa.Column('campaign_id', sa.Uuid(), nullable=False),
        sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
        sa.Column('lines', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ['campaign_id'], ['campaigns.id'], name=op.f('fk_answer_tallies_campaign_id')
        ),
        sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_answer_tallies')),
    )
    op.create_index(op.f('ix_attempts_submitted_at'), 'attempts', ['submitted_at'])


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
