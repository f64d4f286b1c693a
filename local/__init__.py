"""The local stack, the demonstration network and its simulator."""
