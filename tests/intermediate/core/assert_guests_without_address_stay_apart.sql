-- Guests without an address are unknown to us, not one person: merged, they make the most loyal customer of all.
select
    identity_key,
    count(*) as orders
from {{ ref('int_identities_resolved_to_orders') }}
where identity_type = 'order'
group by identity_key
having count(*) > 1
