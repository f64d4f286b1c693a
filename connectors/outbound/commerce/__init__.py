"""Out to the shops: webhooks for each subscription of a channel, and an adapter for a shop's own API."""
