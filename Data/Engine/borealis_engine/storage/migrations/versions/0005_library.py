"""Tables of the library; which stored script a job was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "script_documents",
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("checksum", name="pk_script_documents"),
    )
    op.create_table(
        "scripts",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("domain", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("deleted_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("guid", name="pk_scripts"),
    )
    op.create_table(
        "script_versions",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("saved_at", sa.Float(), nullable=False),
        sa.Column("saved_by", sa.String(256), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("display_name", sa.String(256), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("category", sa.String(128), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("guid", "version", name="pk_script_versions"),
        sa.ForeignKeyConstraint(["guid"], ["scripts.guid"], name="fk_script_versions_guid"),
        sa.ForeignKeyConstraint(["checksum"], ["script_documents.checksum"], name="fk_script_versions_checksum"),
    )
    op.create_table(
        "device_list_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("name_scope", sa.String(256), nullable=False),
        sa.Column("name_key", sa.String(1024), nullable=False),
        sa.Column("columns_json", sa.JSON(), nullable=False),
        sa.Column("filters_json", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device_list_views"),
        sa.UniqueConstraint("name_scope", "name_key", name="uq_device_list_views_name_scope_name_key"),
    )
    op.create_table(
        "device_filters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("name_scope", sa.String(256), nullable=False),
        sa.Column("name_key", sa.String(1024), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("site_limited", sa.Boolean(), nullable=False),
        sa.Column("basic_criteria_json", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("last_edited_by", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device_filters"),
        sa.UniqueConstraint("name_scope", "name_key", name="uq_device_filters_name_scope_name_key"),
    )
    op.create_table(
        "device_filter_sites",
        sa.Column("filter_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("filter_id", "site_id", name="pk_device_filter_sites"),
        sa.ForeignKeyConstraint(
            ["filter_id"], ["device_filters.id"], ondelete="CASCADE", name="fk_device_filter_sites_filter_id"
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], ondelete="CASCADE", name="fk_device_filter_sites_site_id"),
    )
    op.create_index("ix_device_filter_sites_site_id", "device_filter_sites", ["site_id"])
    op.add_column("jobs", sa.Column("assembly_guid", sa.String(64), nullable=True))
    op.add_column("jobs", sa.Column("assembly_version", sa.Integer(), nullable=True))
    op.create_index("ix_runs_created_at", "runs", ["created_at", "status", "site_id"])
