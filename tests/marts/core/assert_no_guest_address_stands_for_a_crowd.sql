-- An address that staff types in for anyone turns many people into one loyal customer: list it in the variable
-- shared_guest_emails. Fifty sales and a twentieth of all sales of guests are more than one person orders.
with

sales_of_guests as (
    select
        customers.identity_key,
        customers.email_hash,
        customers.sales_count,
        sum(customers.sales_count) over () as all_sales_of_guests
    from {{ ref('dim_customers') }} as customers
    where customers.identity_type = 'guest'
)

select * from sales_of_guests
where
    sales_count > 50
    and sales_count * 20 > all_sales_of_guests
