"""What Alembic runs to bring a database up to date; the connection comes from `rt_service.store.migrate`."""

from alembic import context

from rt_service.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
