"""Lists by name are read in one index: a duty repeats the name of its person, and keeps the kind.

Figures are counted ahead, beside the answers; a disposal list keeps its order.
"""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _repeat_names()
    _number_the_lines()
    op.drop_index('ix_people_id_kind_manager_id', table_name='people')
    op.drop_index('ix_people_manager_id', table_name='people')
    op.create_index('ix_people_manager_id_id', 'people', ['manager_id', 'id'])
    for name, table, columns, condition in (
        ('ix_mails_sent', 'mails', ['queued_at', 'id'], 'sent_at IS NOT NULL'),
        ('ix_mails_unsent', 'mails', ['queued_at', 'id', 'refused_at', 'tries'], 'sent_at IS NULL'),
        ('ix_steps_done_declared', 'steps_done', ['assignment_id'], 'outcome IS NOT NULL'),
    ):
        where = sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    op.drop_table('answer_tallies')  # the worker counts anew
    op.create_table(
        'tallies',
        sa.Column('campaign_id', sa.Uuid(), nullable=False),
        sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
        sa.Column('answers', sa.JSON(), nullable=False),
        sa.Column('figures', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ['campaign_id'], ['campaigns.id'], name=op.f('fk_tallies_campaign_id')
        ),
        sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_tallies')),
    )


def _repeat_names() -> None:
    op.create_index('ix_people_id_sort_name', 'people', ['id', 'sort_name'], unique=True)
    op.add_column('assignments', sa.Column('sort_name', sa.String(200), nullable=True))
    op.add_column('assignments', sa.Column('kind', sa.String(20), nullable=True))
    op.execute(
        'UPDATE assignments SET '
        'sort_name = (SELECT sort_name FROM people WHERE people.id = assignments.person_id), '
        'kind = (SELECT kind FROM people WHERE people.id = assignments.person_id)'
    )
    with op.batch_alter_table('assignments') as table:
        table.alter_column('sort_name', existing_type=sa.String(200), nullable=False)
        table.alter_column('kind', existing_type=sa.String(20), nullable=False)
        table.drop_constraint('fk_assignments_person_id', type_='foreignkey')
        table.create_foreign_key(
            'fk_assignments_person_id_sort_name',
            'people',
            ['person_id', 'sort_name'],
            ['id', 'sort_name'],
            onupdate='CASCADE',
        )
    op.drop_index(
        'ix_assignments_campaign_id_person_id_status_due_on_paused_on', table_name='assignments'
    )
    if op.get_bind().dialect.name == 'postgresql':
        # A duty is written again soon: with room in its page, no index has to be written with it.
        op.execute('ALTER TABLE assignments SET (fillfactor = 50)')
    listed = ['person_id', 'kind', 'department', 'status', 'due_on', 'paused_on', 'signed_at']
    op.create_index(
        'ix_assignments_by_name', 'assignments', ['campaign_id', 'sort_name', 'id', *listed]
    )
    of_team = ['status', 'due_on', 'paused_on', 'signed_at', 'sort_name', 'id']
    op.create_index(
        'ix_assignments_by_person', 'assignments', ['campaign_id', 'person_id', *of_team]
    )


def _number_the_lines() -> None:
    """Duties and people of each list, by name."""
    keys = {'disposal_items': 'assignment_id', 'disposal_people': 'person_id'}
    for table in keys:
        op.add_column(table, sa.Column('place', sa.Integer(), nullable=True))
    lines = (
        'SELECT list_id, id, row_number() OVER '
        '(PARTITION BY list_id ORDER BY sort_name, day, id) AS place FROM ('
        'SELECT list_id, id, sort_name, due_on AS day '
        'FROM disposal_items JOIN assignments ON assignments.id = assignment_id '
        'UNION ALL SELECT list_id, id, sort_name, left_on '
        'FROM disposal_people JOIN people ON people.id = person_id) AS lines'
    )
    for table, key in keys.items():
        op.execute(
            f'UPDATE {table} SET place = numbered.place FROM ({lines}) AS numbered '  # noqa: S608
            f'WHERE numbered.list_id = {table}.list_id AND numbered.id = {table}.{key}'
        )
        with op.batch_alter_table(table) as lines_of:
            lines_of.alter_column('place', existing_type=sa.Integer(), nullable=False)
        op.create_index(f'ix_{table}_list_id_place', table, ['list_id', 'place'])


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
