"""The answers of large campaigns are counted ahead; what people declared is found by its outcome."""

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
    op.add_column('steps_done', sa.Column('outcome', sa.String(60), nullable=True))
    is_postgresql = op.get_bind().dialect.name == 'postgresql'
    outcome = "answer ->> 'outcome'" if is_postgresql else "json_extract(answer, '$.outcome')"
    op.execute(f'UPDATE steps_done SET outcome = {outcome} WHERE answer IS NOT NULL')  # noqa: S608
    has_outcome = sa.text('outcome IS NOT NULL')
    op.create_index(
        'ix_steps_done_outcome_assignment_id',
        'steps_done',
        ['outcome', 'assignment_id'],
        sqlite_where=has_outcome,
        postgresql_where=has_outcome,
    )
    op.drop_index('ix_mails_queued_at', table_name='mails')
    op.create_index('ix_mails_queued_at_id_address', 'mails', ['queued_at', 'id', 'address'])
    op.create_index(
        'ix_assignments_campaign_id_person_id_status_due_on_paused_on',
        'assignments',
        ['campaign_id', 'person_id', 'status', 'due_on', 'paused_on'],
    )
    op.create_index('ix_people_id_kind_manager_id', 'people', ['id', 'kind', 'manager_id'])


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
