"""The dashboard: one HTML file drawn from the published marts, which needs no server and no network to be read."""
