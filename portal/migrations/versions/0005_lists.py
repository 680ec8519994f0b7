"""A late page of a list by name is found in the index alone; who is overdue, too."""

from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index('ix_people_sort_name', table_name='people')
    op.create_index('ix_people_sort_name_id', 'people', ['sort_name', 'id'])
    op.drop_index('ix_assignments_campaign_id_status_due_on', table_name='assignments')
    op.create_index(
        'ix_assignments_campaign_id_status_due_on_paused_on',
        'assignments',
        ['campaign_id', 'status', 'due_on', 'paused_on'],
    )


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
