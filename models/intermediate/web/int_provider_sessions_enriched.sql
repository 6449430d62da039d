with

{% call touched('provider_session_id') %}
select sessions.session_id as provider_session_id from ({{ changed('stg_api__sessions', 'session_id') }}) as sessions
union all
{{ changed('stg_shop__orders', 'session_id') }}
union all
select session_id from {{ ref('stg_shop__orders') }}
where order_id in ({{ changed('int_identities_resolved_to_orders', 'order_id') }})
union all
select session_id from {{ ref('stg_api__sessions') }}
where customer_id in ({{ changed('stg_shop__customers', 'customer_id') }})
{% endcall %}

sessions as (
    select * from {{ touched_rows(ref('stg_api__sessions'), 'session_id', 'touched.provider_session_id') }}
),

orders as (
    select * from {{ touched_rows(ref('stg_shop__orders'), 'session_id', 'touched.provider_session_id') }}
),

identities as (
    select * from {{ touched_rows(ref('int_identities_resolved_to_orders'), 'order_id', 'orders') }}
),

customers as (
    select * from {{ ref('int_customers_stripped_of_pii') }}
),

-- Several orders in one session: the last one says who it was.
orders_ranked as (
    select
        orders.session_id,
        identities.identity_key,
        row_number() over (
            partition by orders.session_id
            order by orders.ordered_at desc, orders.order_id desc
        ) as order_rank
    from orders
    inner join identities on orders.order_id = identities.order_id
    where orders.session_id is not null
),

hosts_split as (
    select
        *,
        nullif(lower(trim(utm_source)), '') as campaign_source,
        nullif(lower(trim(utm_medium)), '') as campaign_medium,
        nullif(lower(trim(utm_campaign)), '') as campaign,
        nullif({{ url_host('referrer') }}, {{ url_host('landing_page_url') }}) as referrer_host
    from sessions
),

final as (
    select
        -- keys
        hosts_split.session_id as provider_session_id,
        coalesce(
            orders_ranked.identity_key,
            {{ customer_identity_key('customers.customer_id') }}
        ) as identity_key,

        -- attributes
        coalesce(hosts_split.device, '(unknown)') as device,
        coalesce(hosts_split.campaign_source, hosts_split.referrer_host, '(direct)') as traffic_source,
        coalesce(
            hosts_split.campaign_medium,
            case when hosts_split.referrer_host is not null then 'referral' end,
            '(none)'
        ) as traffic_medium,
        hosts_split.campaign as traffic_campaign,
        {{ dbt.split_part('hosts_split.landing_page_url', "'?'", 1) }} as landing_page_url,

        -- flags
        hosts_split.campaign_source is null and hosts_split.referrer_host is null as is_direct,

        -- load metadata
        hosts_split.load_id
    from hosts_split
    left join orders_ranked
        on
            hosts_split.session_id = orders_ranked.session_id
            and orders_ranked.order_rank = 1
    left join customers on hosts_split.customer_id = customers.customer_id
)

select * from final
