"""A Kafka broker for the demo shop: `python -m demo_shop.kafka --help`."""
