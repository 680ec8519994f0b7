"""HR runs the year: rules, decisions, and what belongs to them."""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('mails',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('key', sa.String(length=200), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=True),
    sa.Column('address', sa.String(length=320), nullable=False),
    sa.Column('language', sa.String(length=10), nullable=False),
    sa.Column('subject', sa.String(length=300), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('event', sa.JSON(), nullable=True),
    sa.Column('queued_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_try_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('sent_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('refused_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('server_said', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mails')),
    sa.UniqueConstraint('key', name=op.f('uq_mails_key'))
    )
    with op.batch_alter_table('mails', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_mails_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_mails_queued_at'), ['queued_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_mails_sent_at_refused_at_next_try_at'), ['sent_at', 'refused_at', 'next_try_at'], unique=False)

    op.create_table('reminder_runs',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('reminded', sa.Integer(), nullable=False),
    sa.Column('without_mail', sa.Integer(), nullable=False),
    sa.Column('lists', sa.Integer(), nullable=False),
    sa.Column('finished_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_reminder_runs'))
    )
    op.create_table('delegations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('manager_id', sa.Uuid(), nullable=False),
    sa.Column('deputy_id', sa.Uuid(), nullable=False),
    sa.Column('until', sa.Date(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_delegations_by_id')),
    sa.ForeignKeyConstraint(['deputy_id'], ['people.id'], name=op.f('fk_delegations_deputy_id')),
    sa.ForeignKeyConstraint(['manager_id'], ['people.id'], name=op.f('fk_delegations_manager_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delegations'))
    )
    with op.batch_alter_table('delegations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_delegations_deputy_id'), ['deputy_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delegations_manager_id'), ['manager_id'], unique=False)

    op.create_table('disposal_lists',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('made_by', sa.Uuid(), nullable=False),
    sa.Column('made_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('approved_by', sa.Uuid(), nullable=True),
    sa.Column('approved_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['approved_by'], ['people.id'], name=op.f('fk_disposal_lists_approved_by')),
    sa.ForeignKeyConstraint(['made_by'], ['people.id'], name=op.f('fk_disposal_lists_made_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_disposal_lists'))
    )
    op.create_table('kiosks',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('location', sa.String(length=200), nullable=False),
    sa.Column('code_hash', sa.LargeBinary(length=32), nullable=True),
    sa.Column('code_until', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('token_hash', sa.LargeBinary(length=32), nullable=True),
    sa.Column('made_by', sa.Uuid(), nullable=False),
    sa.Column('made_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('set_up_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['made_by'], ['people.id'], name=op.f('fk_kiosks_made_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_kiosks')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_kiosks_token_hash'))
    )
    with op.batch_alter_table('kiosks', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_kiosks_code_hash'), ['code_hash'], unique=False)

    op.create_table('leaves',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('begins_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_leaves_by_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_leaves_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_leaves'))
    )
    with op.batch_alter_table('leaves', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_leaves_person_id_begins_on'), ['person_id', 'begins_on'], unique=False)

    op.create_table('reminders',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('on', sa.Date(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('assignments', sa.JSON(), nullable=False),
    sa.Column('by_mail', sa.Boolean(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=True),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_reminders_by_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_reminders_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reminders')),
    sa.UniqueConstraint('person_id', 'on', 'kind', name=op.f('uq_reminders_person_id_on_kind'))
    )
    op.create_table('exemptions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('audience', sa.JSON(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_exemptions_by_id')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_exemptions_campaign_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exemptions'))
    )
    with op.batch_alter_table('exemptions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_exemptions_campaign_id'), ['campaign_id'], unique=False)

    op.create_table('exports',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('filters', sa.JSON(), nullable=False),
    sa.Column('under_way', sa.String(length=64), nullable=True),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('asked_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('done', sa.Integer(), nullable=False),
    sa.Column('ready_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('file_name', sa.String(length=200), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('failed', sa.Text(), nullable=False),
    sa.Column('kept_until', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('removed_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_exports_campaign_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_exports_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exports')),
    sa.UniqueConstraint('under_way', name=op.f('uq_exports_under_way'))
    )
    with op.batch_alter_table('exports', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_exports_ready_at'), ['ready_at'], unique=False)

    op.create_table('legal_holds',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('campaign_id', sa.Uuid(), nullable=True),
    sa.Column('person_id', sa.Uuid(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_legal_holds_by_id')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_legal_holds_campaign_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_legal_holds_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_legal_holds'))
    )
    with op.batch_alter_table('legal_holds', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_legal_holds_campaign_id'), ['campaign_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_legal_holds_person_id'), ['person_id'], unique=False)

    op.create_table('retention_rules',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('months', sa.Integer(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_retention_rules_by_id')),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.id'], name=op.f('fk_retention_rules_campaign_id')),
    sa.PrimaryKeyConstraint('campaign_id', name=op.f('pk_retention_rules'))
    )
    op.create_table('disposal_items',
    sa.Column('list_id', sa.Uuid(), nullable=False),
    sa.Column('assignment_id', sa.Uuid(), nullable=False),
    sa.Column('kept_because', sa.Text(), nullable=False),
    sa.Column('done_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['assignment_id'], ['assignments.id'], name=op.f('fk_disposal_items_assignment_id')),
    sa.ForeignKeyConstraint(['list_id'], ['disposal_lists.id'], name=op.f('fk_disposal_items_list_id')),
    sa.PrimaryKeyConstraint('list_id', 'assignment_id', name=op.f('pk_disposal_items'))
    )
    op.create_table('disposals',
    sa.Column('assignment_id', sa.Uuid(), nullable=False),
    sa.Column('rule', sa.String(length=200), nullable=False),
    sa.Column('removed', sa.JSON(), nullable=False),
    sa.Column('records', sa.JSON(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['assignment_id'], ['assignments.id'], name=op.f('fk_disposals_assignment_id')),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_disposals_by_id')),
    sa.PrimaryKeyConstraint('assignment_id', name=op.f('pk_disposals'))
    )
    op.create_table('duty_decisions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('assignment_id', sa.Uuid(), nullable=False),
    sa.Column('decision', sa.Enum('waived', 'exempted', 'returned', 'extended', 'paused', 'resumed', name='decision', native_enum=False, length=20), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('until', sa.Date(), nullable=True),
    sa.Column('status_before', sa.Enum('not_started', 'in_progress', 'ready', 'signed', 'refused', 'waived', name='status', native_enum=False, length=20), nullable=True),
    sa.Column('due_before', sa.Date(), nullable=True),
    sa.Column('due_after', sa.Date(), nullable=True),
    sa.Column('exemption_id', sa.Uuid(), nullable=True),
    sa.Column('by_id', sa.Uuid(), nullable=True),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['assignment_id'], ['assignments.id'], name=op.f('fk_duty_decisions_assignment_id')),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_duty_decisions_by_id')),
    sa.ForeignKeyConstraint(['exemption_id'], ['exemptions.id'], name=op.f('fk_duty_decisions_exemption_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_duty_decisions'))
    )
    with op.batch_alter_table('duty_decisions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_duty_decisions_assignment_id'), ['assignment_id'], unique=False)

    op.create_table('scans',
    sa.Column('attestation_id', sa.Uuid(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('pdf', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['attestation_id'], ['attestations.id'], name=op.f('fk_scans_attestation_id')),
    sa.PrimaryKeyConstraint('attestation_id', name=op.f('pk_scans'))
    )
    with op.batch_alter_table('assignments', schema=None) as batch_op:
        batch_op.add_column(sa.Column('course_version_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('since_version_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('paused_on', sa.Date(), nullable=True))
        batch_op.add_column(sa.Column('waived_until', sa.Date(), nullable=True))
        batch_op.add_column(sa.Column('started_at', db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('reminded', sa.Integer(), nullable=False, server_default=sa.text('0')))
        batch_op.add_column(sa.Column('escalated_on', sa.Date(), nullable=True))
        batch_op.create_index(batch_op.f('ix_assignments_paused_on'), ['paused_on'], unique=False)
        batch_op.create_index(batch_op.f('ix_assignments_waived_until'), ['waived_until'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_assignments_course_version_id'), 'course_versions', ['course_version_id'], ['id'])
        batch_op.create_foreign_key(batch_op.f('fk_assignments_since_version_id'), 'course_versions', ['since_version_id'], ['id'])

    with op.batch_alter_table('attestations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.Enum('signed', 'paper', 'refused', name='recordkind', native_enum=False, length=10), nullable=False, server_default='signed'))
        batch_op.add_column(sa.Column('disposed_at', db.UtcDateTime(timezone=True), nullable=True))
        batch_op.drop_constraint(batch_op.f('uq_attestations_assignment_id'), type_='unique')
        batch_op.create_index(batch_op.f('ix_attestations_assignment_id'), ['assignment_id'], unique=False)
        batch_op.create_index('uq_attestations_signature', ['assignment_id'], unique=True, sqlite_where=sa.text("kind <> 'refused'"), postgresql_where=sa.text("kind <> 'refused'"))

    # The audience was a kind of employment; it becomes a rule.
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.alter_column('audience', type_=sa.Text(), existing_type=sa.VARCHAR(length=20), existing_nullable=False)
    op.execute("""UPDATE campaigns SET audience = '[{"facts": {"kind": ["' || audience || '"]}}]'""")
    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.add_column(sa.Column('business_days', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('min_interval', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('reminders', sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
        batch_op.add_column(sa.Column('launched_at', db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('filled_at', db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('changed_at', db.UtcDateTime(timezone=True), nullable=False, server_default=sa.func.now()))
        batch_op.add_column(sa.Column('changed_by', sa.Uuid(), nullable=True))
        batch_op.alter_column('audience',
               existing_type=sa.Text(),
               type_=sa.JSON(),
               existing_nullable=False,
               postgresql_using='audience::json')
        batch_op.create_foreign_key(batch_op.f('fk_campaigns_changed_by'), 'people', ['changed_by'], ['id'])

    with op.batch_alter_table('course_versions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('change', sa.String(length=10), nullable=False, server_default=""))

    with op.batch_alter_table('people', schema=None) as batch_op:
        batch_op.add_column(sa.Column('language', sa.String(length=10), nullable=False, server_default=""))
        batch_op.add_column(sa.Column('location', sa.String(length=200), nullable=False, server_default=""))
        batch_op.add_column(sa.Column('union_scope', sa.String(length=10), nullable=False, server_default=""))
        batch_op.add_column(sa.Column('groups', sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
        batch_op.add_column(sa.Column('manager_id', sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f('ix_people_manager_id'), ['manager_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_people_manager_id'), 'people', ['manager_id'], ['id'])

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kiosk_id', sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f('ix_sessions_kiosk_id'), ['kiosk_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_sessions_kiosk_id'), 'kiosks', ['kiosk_id'], ['id'])

    # Every campaign was open, and a duty was on its campaign's version.
    op.execute("UPDATE campaigns SET launched_at = changed_at, filled_at = changed_at")
    op.execute("""UPDATE course_versions SET "change" = CASE number WHEN 1 THEN 'first' ELSE 'minor' END""")
    op.execute("UPDATE assignments SET course_version_id = (SELECT course_version_id FROM campaigns WHERE campaigns.id = assignments.campaign_id)")
    with op.batch_alter_table('assignments', schema=None) as batch_op:
        batch_op.alter_column('course_version_id', existing_type=sa.Uuid(), nullable=False)


def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
