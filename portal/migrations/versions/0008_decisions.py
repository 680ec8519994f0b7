"""A leave keeps that its days were given back."""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('leaves', sa.Column('given_back_on', sa.Date(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
