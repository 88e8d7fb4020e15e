"""The agent's doors to the world, one technology a file, each port with an in-memory twin."""
