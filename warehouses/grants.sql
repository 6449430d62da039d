-- Who may do what in the warehouse. Run by an administrator; running it again changes nothing.

revoke all on database storehouse from public;
revoke create on schema public from public;

grant connect on database storehouse to warehouse_loader, warehouse_transformer, warehouse_reader;
grant create, temporary on database storehouse to warehouse_loader, warehouse_transformer;

-- Whatever the loader makes, the transformer may read. This also holds for what is not there yet.
alter default privileges for role warehouse_loader grant usage on schemas to warehouse_transformer;
alter default privileges for role warehouse_loader grant select on tables to warehouse_transformer;

-- dbt notes in `raw_ops` what it does. What it makes there it makes as the loader, who fills the rest.
grant warehouse_loader, warehouse_transformer to current_user;
grant warehouse_loader to warehouse_transformer with inherit false, set true;
create schema if not exists raw_ops authorization warehouse_loader;
alter default privileges for role warehouse_loader in schema raw_ops grant insert on tables to warehouse_transformer;

-- Publishing waits for readers whose transaction began before it, and must see them. Some servers grant this to nobody.
do $$ begin
    grant pg_read_all_stats to warehouse_transformer;
exception when insufficient_privilege then null;
end $$;

-- Readers see what is published and nothing else; publishing grants it. No session of theirs stands in the way for long.
alter role warehouse_reader in database storehouse set search_path = published;
alter role warehouse_reader in database storehouse set default_transaction_read_only = on;
alter role warehouse_reader in database storehouse set statement_timeout = '10min';
alter role warehouse_reader in database storehouse set idle_in_transaction_session_timeout = '1min';

alter role warehouse_loader in database storehouse set timezone = 'UTC';
alter role warehouse_transformer in database storehouse set timezone = 'UTC';
alter role warehouse_reader in database storehouse set timezone = 'UTC';
