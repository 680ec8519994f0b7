"""A leave keeps that its days were given back, an exemption that it was carried out."""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('leaves', sa.Column('given_back_on', sa.Date(), nullable=True))
    with op.batch_alter_table('exemptions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ended_by', sa.Uuid(), nullable=True))
        batch_op.add_column(
            sa.Column('carried_out_at', db.UtcDateTime(timezone=True), nullable=True)
        )
        batch_op.create_foreign_key(
            op.f('fk_exemptions_ended_by'), 'people', ['ended_by'], ['id']
        )
    op.execute('UPDATE exemptions SET carried_out_at = coalesce(ended_at, at)')


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
