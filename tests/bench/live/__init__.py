"""How fast and how small the live feed is: many real sockets and streams on one process of the hub."""
