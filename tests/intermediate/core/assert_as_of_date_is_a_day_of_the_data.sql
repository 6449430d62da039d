-- A day after the last one that anything is known of would fill the reports with days that nobody sold on, and one
-- before the first would empty them: name a day between first_date and last_date, or none.
select
    first_date,
    as_of_date,
    last_date
from {{ ref('int_calendar_bounds_derived') }}
where as_of_date not between first_date and last_date
