"""What the Python tests share: a raw client, and the command in a process of its own."""
