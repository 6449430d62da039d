-- What has been shown to its end needs no memory: only stories that still go on stay in sim.

delete from sim.orders
using sim.clock
where
    greatest(
        orders.ordered_at,
        orders.processing_at,
        orders.edited_at,
        orders.shipped_at,
        orders.delivered_at,
        orders.cancelled_at,
        orders.returned_at,
        orders.deleted_at
    ) < clock.t1;

delete from sim.edited_lines
using sim.clock
where greatest(edited_lines.added_at, edited_lines.removed_at) < clock.t1;

delete from sim.payments
using sim.clock
where greatest(payments.created_at, payments.settled_at) < clock.t1;

delete from sim.refunds
using sim.clock
where greatest(refunds.refunded_at, refunds.corrected_at) < clock.t1;

delete from sim.refund_lines
using sim.clock
where refund_lines.refunded_at < clock.t1;

delete from sim.sessions
using sim.clock
where greatest(sessions.ended_at + interval '5 minutes', sessions.identified_at) < clock.t1;

delete from sim.events
using sim.clock
where events.file_day < clock.d1;

-- Deliveries look back up to five weeks.
delete from sim.inventory_events
using sim.clock
where inventory_events.occurred_at < clock.t1 - interval '40 days';
