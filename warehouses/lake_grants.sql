-- The catalog of Spark's tables: a database that nobody else may enter. Running this again changes nothing.

revoke all on database storehouse_lake from public;
grant connect on database storehouse_lake to warehouse_lake;
grant usage, create on schema public to warehouse_lake;
