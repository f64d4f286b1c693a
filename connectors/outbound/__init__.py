"""What leaves: the Redis view, webhooks and commerce, the ERP; each a process of its own."""
