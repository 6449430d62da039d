with

{% call touched('order_id') %}
{{ changed('stg_api__payments', 'order_id') }}
{% endcall %}

payments as (
    select * from {{ touched_rows(ref('stg_api__payments'), 'order_id') }}
    where is_money_movement
),

final as (
    select
        order_id,
        sum(case when kind <> 'refund' then amount else 0 end) as paid_amount,
        min(case when kind <> 'refund' then created_at end) as first_paid_at
    from payments
    group by order_id
)

select * from final
{{ stored_by('order_id') }}
