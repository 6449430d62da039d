"""Loads the shop's database, API and files into the warehouse, as received: `python -m ingestion --help`."""
