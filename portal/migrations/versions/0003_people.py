"""People: two doors, joiners and leavers, invitations, roles."""

import sqlalchemy as sa
from alembic import op

from portal import db

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('invitations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('by_mail', sa.Boolean(), nullable=False),
    sa.Column('made_by', sa.Uuid(), nullable=False),
    sa.Column('made_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('used_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['made_by'], ['people.id'], name=op.f('fk_invitations_made_by')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_invitations_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitations')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_invitations_token_hash'))
    )
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_invitations_person_id'), ['person_id'], unique=False)

    op.create_table('local_accounts',
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('username', sa.String(length=200), nullable=False),
    sa.Column('password_hash', sa.String(length=200), nullable=False),
    sa.Column('changed_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('totp_secret', sa.String(length=200), nullable=False),
    sa.Column('totp_since', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('totp_used', sa.Integer(), nullable=False),
    sa.Column('is_break_glass', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_local_accounts_person_id')),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_local_accounts')),
    sa.UniqueConstraint('username', name=op.f('uq_local_accounts_username'))
    )
    op.create_table('role_grants',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('until', sa.Date(), nullable=False),
    sa.Column('made_by', sa.Uuid(), nullable=True),
    sa.Column('made_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['made_by'], ['people.id'], name=op.f('fk_role_grants_made_by')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_role_grants_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_role_grants'))
    )
    with op.batch_alter_table('role_grants', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_role_grants_person_id'), ['person_id'], unique=False)

    op.create_table('scope_decisions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=True),
    sa.Column('firm', sa.String(length=200), nullable=False),
    sa.Column('outcome', sa.String(length=20), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('by_id', sa.Uuid(), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['people.id'], name=op.f('fk_scope_decisions_by_id')),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_scope_decisions_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scope_decisions'))
    )
    with op.batch_alter_table('scope_decisions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_scope_decisions_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_scope_decisions_firm'), ['firm'], unique=False)
        batch_op.create_index(batch_op.f('ix_scope_decisions_person_id'), ['person_id'], unique=False)

    op.create_table('syncs',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('is_dry', sa.Boolean(), nullable=False),
    sa.Column('is_forced', sa.Boolean(), nullable=False),
    sa.Column('asked_by', sa.Uuid(), nullable=True),
    sa.Column('asked_at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('under_way', sa.Boolean(), nullable=True),
    sa.Column('ended_at', db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('stopped_because', sa.Text(), nullable=False),
    sa.Column('people', sa.Integer(), nullable=False),
    sa.Column('bases', sa.JSON(), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('lines', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['asked_by'], ['people.id'], name=op.f('fk_syncs_asked_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_syncs')),
    sa.UniqueConstraint('under_way', name=op.f('uq_syncs_under_way'))
    )
    with op.batch_alter_table('syncs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_syncs_asked_at'), ['asked_at'], unique=False)

    op.create_table('person_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('what', sa.String(length=20), nullable=False),
    sa.Column('before', sa.String(length=200), nullable=False),
    sa.Column('after', sa.String(length=200), nullable=False),
    sa.Column('at', db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('sync_id', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_person_changes_person_id')),
    sa.ForeignKeyConstraint(['sync_id'], ['syncs.id'], name=op.f('fk_person_changes_sync_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_person_changes'))
    )
    with op.batch_alter_table('person_changes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_person_changes_person_id'), ['person_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_person_changes_sync_id'), ['sync_id'], unique=False)

    with op.batch_alter_table('mails', schema=None) as batch_op:
        batch_op.add_column(sa.Column('link', sa.String(length=100), nullable=False, server_default=""))

    with op.batch_alter_table('people', schema=None) as batch_op:
        batch_op.add_column(sa.Column('sponsor_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('firm', sa.String(length=200), nullable=False, server_default=""))
        batch_op.add_column(sa.Column('scope', sa.String(length=20), nullable=False, server_default=""))
        batch_op.add_column(sa.Column('missed', sa.Integer(), nullable=False, server_default=sa.text('0')))
        batch_op.add_column(sa.Column('left_on', sa.Date(), nullable=True))
        batch_op.create_index(batch_op.f('ix_people_left_on'), ['left_on'], unique=False)
        batch_op.create_index(batch_op.f('ix_people_sponsor_id'), ['sponsor_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_people_sponsor_id'), 'people', ['sponsor_id'], ['id'])

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('way', sa.String(length=10), nullable=False, server_default='password'))
        batch_op.add_column(sa.Column('confirmed_at', db.UtcDateTime(timezone=True), nullable=True))



def downgrade() -> None:
    raise NotImplementedError('There is no way back: take the backup.')
